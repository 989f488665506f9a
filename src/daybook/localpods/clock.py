"""Times as Kubernetes writes them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Final

NANOSECONDS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def kubernetes_time(seconds: float | None = None) -> str:
    """RFC 3339 in UTC with whole seconds, as `metav1.Time`; of now when nothing is given."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def seconds_of(text: str) -> float:
    """What `kubernetes_time` wrote, as seconds since the epoch."""
    return nanoseconds_of(text) / NANOSECONDS


def nano_time(nanoseconds: int) -> str:
    """RFC 3339 in UTC with nine digits of the second: always 30 characters, so text order is time order."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z"


def nanoseconds_of(text: str) -> int:
    """Nanoseconds since the epoch of an RFC 3339 time with any offset and up to nine digits of the second.

    Raises:
        ValueError: the text is no such time.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time such as 2026-01-31T12:00:00Z")
    moment = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    whole = (moment - _EPOCH) // timedelta(seconds=1)
    return whole * NANOSECONDS + int((match[2] or "").ljust(9, "0"))
