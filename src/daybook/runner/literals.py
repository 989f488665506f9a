"""Parameters as code of the notebook's language, where nothing given as name or value can become anything but data."""

from __future__ import annotations

import keyword
import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from daybook.contract.errors import Fault, InvalidRequest

HEADING = "Parameters"
"""The comment over the parameters, papermill's own, which its tools look for."""
MAX_LEVELS = 90
"""How deep a value may be nested: Python itself reads no more than 200 open brackets, other languages fewer."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PYTHONS_OWN = re.compile(r"__\w*__")
# Variables that a shell, or what it starts, acts upon by itself: giving one is running code, or ends the shell.
_SHELLS_OWN = re.compile(
    r"PS\d|PROMPT_.*|BASH.*|ENV|IFS|PATH|CDPATH|FPATH|SHELL|SHELLOPTS|POSIXLY_CORRECT|HIST.*|histchars|MAIL.*|TMOUT"
    r"|EDITOR|VISUAL|FCEDIT|PAGER|BROWSER|LESS.*|MANPAGER|INPUTRC|TERM.*|auto_resume|UID|EUID|PPID|GROUPS|FUNCNAME"
    r"|RANDOM|SRANDOM|SECONDS|LINENO|_|LD_.*|DYLD_.*|GCONV_PATH|LOCPATH|PYTHON.*|PERL.*|RUBY.*|NODE_.*|JAVA_.*|JDK_.*"
    r"|R_.*|GIT_.*|SSH_.*"
)
_LARGE_BITS = 2_000
"""Integers beyond are written in hexadecimal: of long decimal ones Python reads none (`sys.set_int_max_str_digits`)."""
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
    heading, write = _in_python() if language in _PYTHON else _by_papermill(kernel, language)
    lines = []
    for name, value in parameters.items():
        try:
            if (fault := _value_fault(value, MAX_LEVELS)) is not None:
                raise NotImplementedError(fault)
            lines.append(write(name, value))
        except (NotImplementedError, ValueError) as error:
            why = str(error).partition(" for <class")[0]
            faults.append(Fault(name, f"this value cannot be written in {language}: {why}"))
    if faults:
        raise InvalidRequest("these values cannot be given to the notebook", faults)
    return "".join([heading, *lines])


def name_fault(name: object, language: str) -> str | None:
    """Why a name cannot be given to a variable of that language, or None."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return "must be letters, digits and _, with a letter or _ first"
    if language in _PYTHON and keyword.iskeyword(name):
        return "is a word of Python"
    if language in _PYTHON and _PYTHONS_OWN.fullmatch(name):
        return "is a name of Python's own"
    if language == "r" and name.startswith("_"):
        return "must begin with a letter in R"
    if language == "bash" and _SHELLS_OWN.fullmatch(name):
        return "is a variable that the shell itself acts upon"
    return None


def python_literal(value: Any) -> str:
    """A JSON value as a Python expression that makes an equal one.

    Raises:
        InvalidRequest: it is no JSON value, or nested too deeply.
    """
    if (fault := _value_fault(value, MAX_LEVELS)) is not None:
        raise InvalidRequest(f"this value cannot be a parameter: {fault}")
    return _python(value)


def _value_fault(value: Any, levels: int) -> str | None:
    """Why nothing can be written for a value, or None."""
    if value is None or isinstance(value, bool | str | int | float):
        return None
    if levels == 0:
        return f"it is nested more than {MAX_LEVELS} levels deep"
    if isinstance(value, list | tuple):
        inner = list(value)
    elif isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str)), None)
        if wrong is not None:
            return f"a key of an object must be text, not {type(wrong).__name__}"
        inner = list(value.values())
    else:
        return f"it is, or holds, a {type(value).__name__}, and JSON has no such value"
    return next((fault for each in inner if (fault := _value_fault(each, levels - 1)) is not None), None)


def _in_python() -> tuple[str, Callable[[str, Any], str]]:
    return f"# {HEADING}\n", lambda name, value: f"{name} = {_python(value)}\n"


def _python(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return repr(value)
    # Of a subclass, only the plain value counts: its own repr could be anything.
    if isinstance(value, str):
        return _python_text(_text(value))
    if isinstance(value, int):
        plain = int(value)
        return repr(plain) if plain.bit_length() <= _LARGE_BITS else hex(plain)
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else f"float('{float(value)!r}')"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_python(key)}: {_python(each)}" for key, each in value.items()) + "}"
    return f"[{', '.join(map(_python, value))}]"


def _python_text(text: str) -> str:
    """As `repr` writes it, but always in double quotes: so papermill does, and programs compare with what it writes."""
    parts = re.split("(['\"])", text)
    return '"' + "".join({'"': '\\"', "'": "'"}.get(part) or repr(part)[1:-1] for part in parts) + '"'


def _by_papermill(kernel: str, language: str) -> tuple[str, Callable[[str, Any], str]]:
    translator = _translator(kernel, language)
    safe = _made_safe(translator)
    return f"{translator.comment(HEADING)}\n", lambda name, value: str(safe.codify({name: value}).split("\n", 1)[1])


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
    """Papermill's translator with values written so that the language finds nothing in them to carry out."""
    name = translator.__name__
    methods: dict[str, Any] = {}
    if (text := _TEXTS.get(name)) is not None:
        methods |= dict.fromkeys(("translate_escaped_str", "translate_str"), _method(lambda value: text(_text(value))))
    if (numbers := _NOT_FINITE.get(name)) is not None:
        methods["translate_float"] = _method(lambda value: _float(value, *numbers))
    if name == "BashTranslator":
        methods |= {"translate_none": _method(lambda _: "''"), "translate_list": _method(_bash_list)}
    return type(f"Safe{name}", (translator,), methods)


def _text(value: Any) -> str:
    return str.__str__(value) if isinstance(value, str) else str(value)


def _method(write: Callable[[Any], str]) -> Any:
    return classmethod(lambda _, value: write(value))


def _float(value: float, infinite: str, negative: str, not_a_number: str) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return not_a_number if math.isnan(value) else infinite if value > 0 else negative


def _bash(text: str) -> str:
    """A text for a shell, also for one that reads what is typed: there control characters and `!` are commands."""
    if "\0" in text:
        raise NotImplementedError("a variable of a shell cannot hold the character NUL")
    if text.isascii() and text.isprintable() and "!" not in text:
        return shlex.quote(text)
    data = text.encode("utf-8", "surrogatepass")
    plain = {code for code in range(0x20, 0x7F) if chr(code) not in "\\'!"}
    return "$'" + "".join(chr(code) if code in plain else f"\\x{code:02x}" for code in data) + "'"


def _bash_list(values: Sequence[Any]) -> str:
    from papermill.translators import BashTranslator

    if any(isinstance(each, list | tuple | Mapping) for each in values):
        raise NotImplementedError("a list of a shell holds no lists or objects")
    return f"({' '.join(map(_made_safe(BashTranslator).translate, values))})"


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
    "BashTranslator": _bash,
}
_NOT_FINITE: Mapping[str, tuple[str, str, str]] = {
    # Papermill writes inf and nan, which are names that anything may hold, or none.
    "RTranslator": ("Inf", "-Inf", "NaN"),
    "JuliaTranslator": ("Inf", "-Inf", "NaN"),
    "MatlabTranslator": ("Inf", "-Inf", "NaN"),
    "ScalaTranslator": ("Double.PositiveInfinity", "Double.NegativeInfinity", "Double.NaN"),
    "CSharpTranslator": ("double.PositiveInfinity", "double.NegativeInfinity", "double.NaN"),
    "FSharpTranslator": ("infinity", "-infinity", "nan"),
}
