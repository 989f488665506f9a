"""Questions to Daybook's side on the cluster, and their answers, which are believed in nothing but their form."""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import zlib
from importlib import resources
from typing import Any

from daybook.databricks.errors import RemoteFailed
from daybook.databricks.model import Remote

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""More than any answer of ours is, unpacked: what came from a cluster must not fill the memory here."""
_MODULE = "_daybook_on_cluster"
_NOT_THERE = "daybook is not there"
_ASK = (
    "(lambda m: m.answer({mark!r}, {question!r}) if m else print({absent!r}))"
    "(__import__('sys').modules.get({module!r}))"
)
_SEND = (
    "exec(__import__('zlib').decompress(__import__('base64').b64decode({source!r})).decode(),"
    " __import__('sys').modules.setdefault({module!r}, __import__('types').ModuleType({module!r})).__dict__)\n"
)


class Truncated(RemoteFailed):
    """An answer came, but not all of it: Databricks cuts results that it finds too long."""


class NotThere(RemoteFailed):
    """The process on the cluster does not know us: it was started anew."""


def begin(remote: Remote, seconds: float, **given: Any) -> Any:
    """Brings our side into the process of a context, and asks it to begin; one command, since each takes its time.

    Raises:
        RemoteFailed: as `ask`.
    """
    source = resources.files(__package__).joinpath("on_cluster.py").read_bytes()
    return ask(remote, "begin", seconds, _SEND.format(source=_text(zlib.compress(source, 9)), module=_MODULE), **given)


def ask(remote: Remote, do: str, seconds: float, first: str = "", **given: Any) -> Any:
    """The answer to a question; one that fits no form of ours is a failure of the cluster's.

    Args:
        remote: an open context.
        do: one of the questions of `on_cluster`.
        seconds: how long it may take.
        first: code of ours that comes before it.
        given: what goes with the question, as JSON holds it.

    Raises:
        NotThere: `begin` comes first.
        Truncated: the answer was cut.
        RemoteFailed: there was no answer, or none of ours.
    """
    mark = secrets.token_hex(8)
    question = _text(json.dumps({"do": do, **given}).encode())
    code = first + _ASK.format(mark=mark, question=question, absent=_NOT_THERE, module=_MODULE)
    said = remote.run_python(code, limit_seconds=seconds)
    found = re.search(rf"\[{mark}:([A-Za-z0-9+/=]*):{mark}\]", said)
    if found is not None:
        return unpacked_json(found[1])
    if said.strip() == _NOT_THERE:
        raise NotThere("the Python process on the cluster was started anew")
    if f"[{mark}:" in said:
        raise Truncated("the cluster's answer was cut")
    raise RemoteFailed("the cluster gave no answer to Daybook's question")


def unpacked_json(text: str) -> Any:
    """An answer's document.

    Raises:
        RemoteFailed: it is none.
    """
    try:
        return json.loads(unpacked(text, MAX_ANSWER_BYTES))
    except (ValueError, RecursionError) as error:
        raise RemoteFailed("the cluster's answer is no JSON") from error


def unpacked(text: object, most: int) -> bytes:
    """Bytes that were compressed and written as text, so many at most.

    Raises:
        RemoteFailed: they were not, or are more.
    """
    if not isinstance(text, str):
        raise RemoteFailed("the cluster's answer has no data where some must be")
    try:
        reader = zlib.decompressobj()
        data = reader.decompress(base64.b64decode(text, validate=True), most)
    except (binascii.Error, zlib.error) as error:
        raise RemoteFailed("the cluster's answer cannot be unpacked") from error
    if not reader.eof:
        raise RemoteFailed("the cluster's answer is larger than was asked for")
    return data


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
