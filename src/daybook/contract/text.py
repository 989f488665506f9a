"""Text as it can be stored and sent."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text, with a question mark for each half of a surrogate pair, which no UTF-8 holds."""
    return text.encode("utf-8", "replace").decode()
