"""Parameters as code of the notebook's language, where nothing given as name or value can become anything but data."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from daybook.contract.errors import Fault, InvalidRequest

HEADING = "Parameters"
"""The comment over the parameters, papermill's own, which its tools look for."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables that a shell acts upon by itself: giving one is running code.
_SHELL_OWN = re.compile(
    r"PS\d|PROMPT_COMMAND|BASH.*|ENV|IFS|PATH|CDPATH|SHELLOPTS|HISTFILE|LD_.*|DYLD_.*|PYTHON.*|EDITOR"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PYTHON = frozenset({"python", "python3", "ipython"})


def parameters_cell(parameters: Mapping[str, Any], kernel: str, language: str) -> str:
    """The source of the cell that sets the parameters.

    Args:
        parameters: JSON values by name.
        kernel: the kernel's name; some have a dialect of their own.
        language: the notebook's language, in lower case.

    Raises:
        InvalidRequest: a name is none, or the language cannot take a value; names every fault.
    """
    faults = [Fault(repr(name), fault) for name in parameters if (fault := name_fault(name, language)) is not None]
    if faults:
        raise InvalidRequest("these cannot be names of parameters", faults)
    if language in _PYTHON:
        lines = [f"{name} = {python_literal(value)}" for name, value in parameters.items()]
        return "\n".join([f"# {HEADING}", *lines]) + "\n"
    return _by_papermill(parameters, kernel, language)


def name_fault(name: object, language: str) -> str | None:
    """Why a name cannot be given to a variable of that language, or None."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return "must be letters, digits and _, with a letter or _ first"
    if language in _PYTHON and keyword.iskeyword(name):
        return "is a word of Python"
    if language == "bash" and _SHELL_OWN.fullmatch(name):
        return "is a variable that the shell itself acts upon"
    return None


def python_literal(value: Any) -> str:
    """A JSON value as a Python expression that makes an equal one.

    Raises:
        InvalidRequest: it is no JSON value.
    """
    if value is None or isinstance(value, bool | str | int):
        # Of a subclass, only the plain value counts: its own repr could be anything.
        plain = value if value is None or isinstance(value, bool) else _plain(value)
        return repr(plain)
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else f'float("{float(value)!r}")'
    if isinstance(value, list | tuple):
        return f"[{', '.join(python_literal(each) for each in value)}]"
    if isinstance(value, Mapping):
        pairs = (f"{python_literal(_key(key))}: {python_literal(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    raise InvalidRequest(f"a parameter cannot be a {type(value).__name__}; JSON has no such value")


def _plain(value: str | int) -> str | int:
    return str.__str__(value) if isinstance(value, str) else int(value)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise InvalidRequest(f"a key of an object must be text, not {type(key).__name__}")
    return key


def _by_papermill(parameters: Mapping[str, Any], kernel: str, language: str) -> str:
    translator = _translator(kernel, language)
    safe = _made_safe(translator)
    faults, lines = [], []
    for name, value in parameters.items():
        try:
            python_literal(value)  # nothing but JSON goes on to the translator
            lines.append(safe.codify({name: value}).split("\n", 1)[1])
        except (NotImplementedError, InvalidRequest) as error:
            faults.append(Fault(name, f"this value cannot be written in {language}: {error}"))
    if faults:
        raise InvalidRequest("these values cannot be given to the notebook", faults)
    return f"{translator.comment(HEADING)}\n" + "".join(lines)


def _translator(kernel: str, language: str) -> Any:
    from papermill.exceptions import PapermillException
    from papermill.translators import papermill_translators

    for name in (language, language.upper()):  # papermill registers R by its capital letter
        try:
            return papermill_translators.find_translator(kernel, name)
        except PapermillException:
            continue
    raise InvalidRequest(f"parameters cannot be written in the language {language!r}; give none, or use another kernel")


def _made_safe(translator: Any) -> Any:
    """Papermill's translator with texts written so that the language finds nothing in them to carry out."""
    writer = _TEXTS.get(translator.__name__)
    if writer is None:
        return translator

    def write(_: Any, value: object) -> str:
        return writer(str(value))

    methods = dict.fromkeys(("translate_escaped_str", "translate_str"), classmethod(write))
    return type(f"Safe{translator.__name__}", (translator,), methods)


def _escaped(text: str, *special: str) -> str:
    """A text in double quotes with escapes that C's children share: a backslash, and four hex digits a unit."""
    letters = []
    for letter in text:
        if letter in ('"', "\\", *special):
            letters.append("\\" + letter)
        elif letter in _SHORT:
            letters.append(_SHORT[letter])  # Scala reads \\u000a before it looks for the end of a text
        elif letter.isprintable() and letter.isascii():
            letters.append(letter)
        else:
            data = letter.encode("utf-16-be", "surrogatepass")
            letters += [f"\\u{int.from_bytes(data[at : at + 2], 'big'):04x}" for at in range(0, len(data), 2)]
    return f'"{"".join(letters)}"'


def _wide(text: str, *special: str) -> str:
    """As `_escaped`, for languages that want one escape a character, of eight digits beyond the first 65536."""
    letters = []
    for letter in text:
        if letter in ('"', "\\", *special):
            letters.append("\\" + letter)
        elif letter.isprintable() and letter.isascii():
            letters.append(letter)
        else:
            code = ord(letter)
            letters.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return f'"{"".join(letters)}"'


def _powershell(text: str) -> str:
    # In single quotes nothing is carried out; PowerShell takes all of these for a single quote.
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", text) + "'"


def _matlab(text: str) -> str:
    # Double quotes know no escapes; what is not printable is put in by its number.
    parts = re.split(r"([^ -~]+)", text)
    pieces = [
        f"char([{' '.join(str(ord(letter)) for letter in part)}])" if at % 2 else '"' + part.replace('"', '""') + '"'
        for at, part in enumerate(parts)
        if part or not at
    ]
    return pieces[0] if len(pieces) == 1 else f"[{' + '.join(pieces)}]"


_TEXTS: Mapping[str, Callable[[str], str]] = {
    # Julia and PowerShell carry out $(…) in double quotes; papermill leaves it there.
    "JuliaTranslator": lambda text: _wide(text, "$"),
    "PowershellTranslator": _powershell,
    # Papermill's \x41 is no escape of Scala's, and in C# it takes as many digits as follow.
    "ScalaTranslator": _escaped,
    "CSharpTranslator": _escaped,
    "FSharpTranslator": _escaped,
    "RTranslator": _wide,
    "MatlabTranslator": _matlab,
}
