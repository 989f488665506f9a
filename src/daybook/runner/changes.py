"""What has changed in a notebook since it was last flushed: the journal's next delta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WHOLE = -1
"""In place of a length: the text of an output did not only grow, so all of it counts as changed."""


@dataclass
class _Mark:
    first: int
    text_from: int


class Changes:
    """Which outputs of which cells are new.

    Kept as the place from which on a cell's outputs have changed, and, since a text mostly just grows, how much of the
    output at that place was there before.
    """

    def __init__(self, notebook: Any) -> None:
        self._notebook = notebook
        self._marks: dict[int, _Mark] = {}

    def __bool__(self) -> bool:
        return bool(self._marks)

    def note(self, index: int, first: int, text_from: int = WHOLE) -> None:
        """The outputs of a cell have changed.

        Args:
            index: the cell's, in the notebook.
            first: the first output that did; the number of outputs where only the cell's metadata has changed.
            text_from: how many characters of that output's text were there before, if that is all that changed.
        """
        mark = self._marks.get(index)
        if mark is None or first < mark.first:
            self._marks[index] = _Mark(first, text_from)
        elif first == mark.first and text_from < mark.text_from:
            mark.text_from = text_from

    def take(self) -> dict[str, Any]:
        """The delta since the last one (see `daybook.storage.journal`); from here on the next one counts."""
        cells = {str(index): self._change(index, mark) for index, mark in self._marks.items()}
        self._marks.clear()
        return {"cells": cells}

    def _change(self, index: int, mark: _Mark) -> dict[str, Any]:
        cell = self._notebook.cells[index]
        outputs = list(cell.outputs[mark.first :])
        grown = mark.text_from > 0 and bool(outputs)
        if grown:
            outputs[0] = {**outputs[0], "text": outputs[0]["text"][mark.text_from :]}
        return {
            "metadata": cell.metadata,
            "execution_count": cell.execution_count,
            "from": mark.first,
            "text_from": mark.text_from if grown else None,
            "outputs": outputs,
        }
