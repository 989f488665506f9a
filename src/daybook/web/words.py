"""Numbers, moments and values as people read them. They never fail: a record may hold anything."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

MAX_VALUE_CHARACTERS = 2_000
"""How much of one parameter or result a page shows; the manifest has all of it."""

_MANY_BYTES = 10**30
"""More than there are, and still a number that can be divided."""

_WRAP = re.compile(r"(?<!  )\n(?!\s|[-*+>|#]|\d+[.)]\s|```|~~~)")
"""A line's end that only keeps lines short where Markdown is written, and no list, table, heading or code."""


_WORD_END = re.compile(r"(?<=[_/.])(?![_/.])")
"""Where a name of code, or a path, may break without harm to whoever reads it."""


def paragraphs_for_people(markdown: str) -> list[str]:
    """The paragraphs of a text in Markdown, which is shown as it is written, without the breaks within a sentence."""
    blocks = re.split(r"\n[ \t]*\n", markdown.replace("\r\n", "\n"))
    return [_WRAP.sub(" ", each.strip("\n")) for each in blocks if each.strip()]


def name_for_people(name: str) -> Markup:
    """A name, escaped, that breaks between its words where it must break: `worst_carrier_` `delayed_share`."""
    return Markup("<wbr>").join(each for each in _WORD_END.split(name) if each)


def bytes_for_people(size: int) -> str:
    """`1234567` as `1.2 MB`; powers of 1000, as file managers show them."""
    value = float(min(size, _MANY_BYTES))
    if value < 1000:
        return f"{size} B"
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"


def duration_for_people(seconds: float | None) -> str:
    """`75.3` as `1 min 15 s`; an empty string for None and for what is no number."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def when_for_people(moment: str | None) -> str:
    """An ISO 8601 moment as `2026-11-23 01:02:03 UTC`, UTC where it names no zone; an empty string for None."""
    read = moment_told(moment)
    return (moment or "") if read is None else read.strftime("%Y-%m-%d %H:%M:%S UTC")


def moment_told(text: str | None) -> datetime | None:
    """The moment that a record tells, in UTC, and as of UTC where it names no zone; None for what is none."""
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def moment_for_people(moment: datetime) -> str:
    """A moment as `2026-11-23 01:02 UTC`; one that names no zone is UTC's."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def value_for_people(value: Any) -> str:
    """A parameter or result: text as it is, anything else as JSON writes it; what is very long is cut."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}… ({len(text)} characters)"
