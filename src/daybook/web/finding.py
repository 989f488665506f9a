"""Finding notebooks by words, whatever their accents and letter case."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from daybook.catalogue import Notebook

MAX_CHARACTERS = 200
"""As much of what somebody looks for counts."""
_REMEMBERED = 2_000  # notebooks, in one process


class Words:
    """Words that must all stand somewhere in what people read of a notebook.

    Args:
        text: the words, parted by blanks.
    """

    def __init__(self, text: str) -> None:
        self._words = folded(text[:MAX_CHARACTERS]).split()

    def are_in(self, notebook: Notebook) -> bool:
        """Whether they are in its id, title, description, collections or tags."""
        if not self._words:
            return True
        read = (notebook.id, notebook.title, notebook.description, *notebook.collections, *notebook.tags)
        text = _remembered("\n".join(read))
        return all(word in text for word in self._words)


@lru_cache(maxsize=_REMEMBERED)
def _remembered(text: str) -> str:
    """What people read of a notebook, folded once: a thousand with accents take longer than all else of the page."""
    return folded(text)


def folded(text: str) -> str:
    """A text without accents and in one letter case: `Überflüge` and `uberfluge` are one."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in parts if not unicodedata.combining(each)).casefold()
