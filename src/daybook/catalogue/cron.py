"""Cron expressions: whether one says what its author can mean.

Airflow finds a bad expression only while it reads the DAG file, which then is gone with all its DAGs; here it is a
fault of one entry, told in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PRESETS = ("@once", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
"""The presets that Airflow knows and that make sense for one run a tick."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?P<first>\*|[a-z0-9]+)(-(?P<last>[a-z0-9]+))?(/(?P<step>[0-9]+))?", re.IGNORECASE)


def cron_fault(expression: str) -> str | None:
    """Return what is wrong with a preset or a five-field cron expression, or None."""
    if expression.startswith("@"):
        return None if expression in PRESETS else f"'{expression}' is no preset; the presets are {', '.join(PRESETS)}"
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        return (
            f"'{expression}' must have five fields (minute, hour, day of the month, month, day of the week), "
            f"not {len(fields)}"
        )
    faults = [fault for field, rule in zip(fields, _FIELDS, strict=True) for fault in _field_faults(field, *rule)]
    return "; ".join(faults) or None


def _field_faults(field: str, name: str, low: int, high: int, names: tuple[str, ...]) -> Iterator[str]:
    for part in field.split(","):
        if (name, part.lower()) == ("day of the month", "l"):
            continue  # the last day
        if name == "day of the week" and re.fullmatch(r"[0-7a-zA-Z]+#[1-5]", part):
            part = part.split("#")[0]  # the second Monday, say
        found = _PART.fullmatch(part)
        if not found:
            yield f"'{part}' is no {name}"
            continue
        texts = [text for text in (found["first"], found["last"]) if text and text != "*"]
        ends = [number for text in texts if (number := _number(text, low, names)) is not None and low <= number <= high]
        if len(ends) < len(texts):
            yield f"'{part}' is no {name}: {low} to {high}" + (f", or {names[0]} to {names[-1]}" if names else "")
        elif len(ends) == 2 and ends[0] > ends[1]:
            yield f"'{part}' runs backwards as {name}"
        elif found["step"] == "0" or (found["first"] == "*" and found["last"]):
            yield f"'{part}' is no {name}"


def _number(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text.isdigit():
        return int(text)
    return names.index(text.lower()) + low if text.lower() in names else None
