"""Strict reading of texts and checking of JSON values: what every input type builds on.

Nothing here guesses. A text that is not exactly a number is not a number, and a value that JSON cannot hold
(not a number, infinity, half a surrogate pair) is refused before it reaches a record or a kernel.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

from pydantic import JsonValue

SHOWN_CHARACTERS = 60
"""Characters of a wrong value that a message repeats: enough to know it again, too few to flood a page."""

MAX_DEPTH = 64
"""Levels of lists and objects in one value; deeper ones exhaust the stack of whoever reads the record later."""

MAX_DIGITS = 400
"""Digits in one number; more is a mistake, and takes Python quadratic time to read."""

_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class Refused(ValueError):
    """A value does not fit its input.

    Attributes:
        faults: pairs of a path within the value (empty, `[2]`, `.west`) and what is wrong there.
    """

    def __init__(self, *faults: tuple[str, str]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{path} {message}".strip() for path, message in faults))


def refused(message: str) -> Refused:
    """Return the refusal of a whole value."""
    return Refused(("", message))


def shown(value: object) -> str:
    """Return a value as a message shows it: JSON where possible, cut short."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = f"a Python {type(value).__name__}"
    text = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def unlike(noun: str, value: object) -> Refused:
    """Return the refusal of a value that is not what `noun` names."""
    return refused(f"must be {noun}, not {shown(value)}")


def one(texts: Sequence[str]) -> str:
    """Return the only text given; several are refused."""
    if len(texts) != 1:
        raise refused(f"takes one value, but {len(texts)} are given")
    return texts[0]


def read_integer(text: str) -> int:
    """Read `007` as 7 and refuse `0x7`, `1_000`, ` 5` and everything else that int() would let through."""
    if not _INTEGER.fullmatch(text):
        raise unlike("a whole number", text)
    return bounded(int(text[: MAX_DIGITS + 10]))


def read_number(text: str) -> float:
    """Read a decimal number; `nan`, `inf` and what overflows are refused."""
    if not _NUMBER.fullmatch(text):
        raise unlike("a number", text)
    if len(text) > MAX_DIGITS:
        raise refused(f"must have at most {MAX_DIGITS} digits")
    return finite(float(text))


def read_boolean(text: str) -> bool:
    """Read true/false, yes/no, on/off, 1/0, in any case."""
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise unlike("true or false", text) from None


def read_json(text: str) -> JsonValue:
    """Read one JSON document; `NaN` and `Infinity`, which Python's reader accepts, are refused."""
    try:
        value: JsonValue = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise refused("is nested too deeply") from None
    except json.JSONDecodeError as error:
        hint = ' (a text needs its quotes, as in "abc")' if re.match(r"\w", text) else ""
        raise refused(f"is not JSON: {error.msg} at character {error.pos + 1}{hint}") from None
    except ValueError as error:
        raise refused(f"is not JSON: {error}") from None
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def finite(number: float) -> float:
    """Return the number as a float unless it is infinite, not a number, or too large for one."""
    try:
        number = float(number)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refused("must be a finite number")
    return number


def bounded(number: int) -> int:
    """Return the number unless it has too many digits to be read and written again."""
    if abs(number) >= 10**MAX_DIGITS:
        raise refused(f"must have at most {MAX_DIGITS} digits")
    return number


def storable(text: str) -> str:
    """Return the text unless it holds what no database or file can: a NUL or half a surrogate pair."""
    if "\0" in text:
        raise refused("holds a NUL character")
    if _SURROGATE.search(text):
        raise refused("holds half a surrogate pair, which is no character")
    return text


def as_json(value: object) -> JsonValue:
    """Return the value unless some part of it is not plain, finite JSON; every such part is named."""
    faults = list(_json_faults(value, "", 0))
    if faults:
        raise Refused(*faults)
    result: JsonValue = value  # type: ignore[assignment]  # what the walk has just shown
    return result


def _json_faults(value: object, path: str, depth: int) -> list[tuple[str, str]]:
    if depth > MAX_DEPTH:
        return [("", f"is nested more than {MAX_DEPTH} levels deep")]
    if value is None:
        return []
    if isinstance(value, list):
        return [fault for i, item in enumerate(value) for fault in _json_faults(item, f"{path}[{i}]", depth + 1)]
    if isinstance(value, dict):
        return [fault for key, item in value.items() for fault in _member_faults(key, item, path, depth)]
    try:
        if isinstance(value, int):
            bounded(value)
        elif isinstance(value, float):
            finite(value)
        elif isinstance(value, str):
            storable(value)
        else:
            raise refused(f"is a Python {type(value).__name__}, which JSON does not have")
    except Refused as error:
        return [(path, message) for _, message in error.faults]
    return []


def _member_faults(key: object, item: object, path: str, depth: int) -> list[tuple[str, str]]:
    if not isinstance(key, str):
        return [(path, f"has the key {shown(key)}, which is not a text")]
    return [*_json_faults(key, path, depth + 1), *_json_faults(item, f"{path}.{key}", depth + 1)]
