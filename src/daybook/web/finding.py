"""Finding notebooks by words, whatever their accents and letter case."""

from __future__ import annotations

import unicodedata

from daybook.catalogue import Notebook

MAX_CHARACTERS = 200
"""As much of what somebody looks for counts."""


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
        text = folded("\n".join(read))
        return all(word in text for word in self._words)


def folded(text: str) -> str:
    """A text without accents and in one letter case: `Überflüge` and `uberfluge` are one."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in parts if not unicodedata.combining(each)).casefold()
