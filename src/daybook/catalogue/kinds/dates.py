"""Dates, and dates with a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from daybook.catalogue.constraints import Constraints
from daybook.catalogue.kinds.common import refuse_if
from daybook.catalogue.values import one, refused, unlike

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_LOCAL = rf"{_DATE}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?"
_OFFSET = r"(Z|[+-][0-9]{2}:[0-9]{2})"


def parse_date(value: object) -> date:
    """Read `2013-01-31`; week dates and the short forms that Python reads too are refused."""
    if not isinstance(value, str) or not re.fullmatch(_DATE, value):
        raise unlike("a date such as 2013-01-31", value)
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise refused(f"is no date of the calendar: {error}") from None


def parse_datetime(value: object) -> datetime:
    """Read an RFC 3339 date and time; it must say its offset, or nobody could tell when it is."""
    if not isinstance(value, str) or not re.fullmatch(_LOCAL + _OFFSET, value):
        if isinstance(value, str) and re.fullmatch(_LOCAL + r" [0-9]{2}:[0-9]{2}", value):
            raise refused("must have its offset as +01:00; in a link, write the + as %2B")
        raise unlike("a date and time with its offset, such as 2013-01-31T10:00:00+01:00", value)
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise refused(f"is no date and time: {error}") from None


def dated(parse: Callable[[object], Any]) -> Callable[[object, Constraints], str]:
    """Return the check of a date or of a date and time; the canonical value is its ISO 8601 text."""

    def check(value: object, c: Constraints) -> str:
        moment = parse(value)
        text: str = moment.isoformat()
        faults = []
        if c.earliest is not None and moment < parse(c.earliest):
            faults.append(f"must not be before {c.earliest}, but is {text}")
        if c.latest is not None and moment > parse(c.latest):
            faults.append(f"must not be after {c.latest}, but is {text}")
        refuse_if(faults)
        return text

    return check


def form_datetime(texts: Sequence[str], _: Constraints) -> str:
    """Read a date and time field: a browser's knows no offset, so what has none is UTC."""
    text = one(texts)
    return f"{text}Z" if re.fullmatch(_LOCAL, text) else text
