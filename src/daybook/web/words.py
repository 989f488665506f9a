"""Numbers as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def bytes_for_people(size: int) -> str:
    """`1234567` as `1.2 MB`; powers of 1000, as file managers show them."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration_for_people(seconds: float | None) -> str:
    """`75.3` as `1 min 15 s`; an empty string for None."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def when_for_people(moment: str | None) -> str:
    """An ISO 8601 moment as `2026-11-23 01:02:03 UTC`; an empty string for None."""
    if moment is None:
        return ""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
