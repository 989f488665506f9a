"""Patterns of names: `*` stands for any text, everything else for itself."""

from __future__ import annotations

import re
from collections.abc import Iterable


def fits(pattern: str, text: str) -> bool:
    """Whether a pattern fits the whole of a text, letter by letter; `?` and `[` mean nothing but themselves."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def fits_any(patterns: Iterable[str], text: str) -> bool:
    """Whether one of several patterns fits; none does where there are none."""
    return any(fits(pattern, text) for pattern in patterns)
