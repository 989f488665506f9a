"""The forms in which a secret turns up in text: as it is, escaped, quoted, in base64 or in hexadecimal digits."""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

SHORTEST_BASE64 = 6
"""Fewest characters of base64 that are looked for: five would be found by chance in every thousandth picture."""
_SHORTEST_ANCHOR = 2
"""A short anchor is in many texts that hold no form, each of which then has to be looked for: slower, not wrong."""
_UNTOUCHED = re.compile(r"[A-Za-z0-9_.~-]+")
"""Characters that no escaping or quoting changes."""
_SPECIAL = re.compile(r"[^A-Za-z0-9_.~-]")
_KEY_LINE = re.compile(r"^\s*([A-Za-z0-9+/=_.-]{16,})\s*$", re.MULTILINE)
"""A line of a private key or certificate; lines of documents and settings have spaces or quotes."""
_ALIKE = re.compile(r"[A-Za-z0-9]+")
"""Characters that are the same in all alphabets of base64."""
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_SCRIPT_SAFE = {"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "'": r"\u0027"}


@dataclass(frozen=True)
class Disguise:
    """Forms of one secret that have something in common.

    Attributes:
        anchors: at least one of them is part of every form, so that a text without any holds none of the forms.
        forms: what is looked for, the longest first.
        wraps: whether a line break may be within: base64 is often broken into lines.
    """

    anchors: tuple[str, ...]
    forms: tuple[str, ...]
    wraps: bool = False


def disguises_of(secret: str) -> Iterator[Disguise]:
    """All forms of a secret that are looked for."""
    written = _written(secret)
    yield Disguise(_anchors(_UNTOUCHED, secret) or written, written)
    if "\n" in secret:
        for line in _KEY_LINE.findall(secret):
            yield Disguise((line,), (line,))
    data = _bytes(secret)
    yield Disguise((data.hex(), data.hex().upper()), (data.hex(), data.hex().upper()))
    for text in {secret, _json(secret, ascii_only=True), _json(secret, ascii_only=False)}:
        for before in range(3):
            core, forms = _base64(_bytes(text), before)
            yield Disguise(_anchors(_ALIKE, core) or forms, forms, wraps=True)


def _sorted(forms: set[str]) -> tuple[str, ...]:
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _written(secret: str) -> tuple[str, ...]:
    """The secret as text: plain, escaped, and escaped twice (JSON within JSON, JSON within HTML)."""
    if _UNTOUCHED.fullmatch(secret):
        return (secret,)
    once = _escaped(secret)
    return _sorted(once.union(*(_escaped(form) for form in once)))


def _escaped(text: str) -> set[str]:
    as_json = _json(text, ascii_only=True)
    as_python = _SPECIAL.sub(lambda match: repr(match[0])[1:-1], text)
    as_ascii = _SPECIAL.sub(lambda match: ascii(match[0])[1:-1], text)
    as_bytes = _SPECIAL.sub(lambda match: "".join(repr(bytes((each,)))[2:-1] for each in _bytes(match[0])), text)
    forms = {text, as_json, _json(text, ascii_only=False), as_json.replace("/", r"\/"), as_python, as_ascii, as_bytes}
    forms.add("".join(_SCRIPT_SAFE.get(each, each) for each in as_json))
    # Python escapes the quote only in a text that holds both kinds.
    forms |= {form.replace("'", r"\'") for form in (as_python, as_ascii, as_bytes)}
    in_html = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for double, single in (('"', "'"), ("&quot;", "&#x27;"), ("&#34;", "&#39;"), ("&quot;", "&apos;"), ("&quot;", "'")):
        forms.add(in_html.replace('"', double).replace("'", single))
    return forms | _in_url(text)


def _in_url(text: str) -> set[str]:
    data = _bytes(text)
    quoted = {quote(data, safe=safe) for safe in ("", "/", "!*'()")} | {quote_plus(data)}
    return quoted | {_PERCENT.sub(lambda match: match[0].lower(), each) for each in quoted}


def _json(text: str, *, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _anchors(kept: re.Pattern[str], text: str) -> tuple[str, ...]:
    """The longest run of characters that all forms of a text keep, unless it is too short."""
    run = max(kept.findall(text), key=len, default="")
    return (run,) if len(run) >= _SHORTEST_ANCHOR else ()


def _base64(data: bytes, before: int) -> tuple[str, tuple[str, ...]]:
    """What base64 makes of the data when so many bytes (0 to 2) stand before it in a group of three.

    The characters at the ends that neighbouring bytes share are left out, except where too little would be left to
    tell it from chance: there, every form they can have is listed.

    Returns:
        The characters that hold nothing but the data, and all forms.
    """
    begin, end = -(-8 * before // 6), 8 * (before + len(data)) // 6
    core = _encoded(bytes(before) + data)[begin:end]
    forms = {core} if len(core) >= SHORTEST_BASE64 else _with_neighbours(data, before)
    if before == 0:
        whole = _encoded(data)
        forms |= {whole, whole.rstrip("="), whole.replace("=", "%3D"), whole.replace("=", "%3d")}
    for form in tuple(forms):
        forms.add(form.replace("+", "-").replace("/", "_"))
        forms.add(form.replace("/", r"\/"))
        forms.add(quote(form, safe=""))
        forms.add(_PERCENT.sub(lambda match: match[0].lower(), quote(form, safe="")))
    return core, _sorted({form for form in forms if len(form) >= SHORTEST_BASE64})


def _with_neighbours(data: bytes, before: int) -> set[str]:
    """The characters that hold the data, for whatever bytes stand around it."""
    begin, end = 8 * before // 6, -(-8 * (before + len(data)) // 6)
    # Of its neighbours, a shared character holds at most four bits: the last ones before, the first ones after.
    return {
        _encoded(bytes((low,)) * before + data + bytes((high << 4, 0)))[begin:end]
        for low in range(16)
        for high in range(16)
    }


def _encoded(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")  # how Python holds variables that are not UTF-8
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
