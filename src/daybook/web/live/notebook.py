"""The notebook of a run that goes on, as of its last flush: what the running cell is, and what it prints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import Manifest
from daybook.contract.text import storable
from daybook.storage import ObjectMissing, RunRecord, journal
from daybook.web.live.model import RunningCell

MAX_BYTES = 4 * 1024 * 1024
"""A notebook that has grown beyond this with its journal is not read again and again for a few lines of it."""
SOURCE_CHARACTERS = 4_000
PRINTED_LINES = 20
PRINTED_CHARACTERS = 4_000
_TERMINAL_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")

_Print = tuple[tuple[str, int, Any], ...]


class NotebookView:
    """One run's notebook, read only when it has changed and is small enough. Used by one thread at a time."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._attempt = 0
        self._seen: _Print = ()
        self._cells: list[tuple[str, str]] = []
        self._is_whole = True

    def look(self, manifest: Manifest) -> None:
        """Brings the view up to date.

        Raises:
            StoreFailed: the bucket does not answer, or what it holds is no notebook.
        """
        if manifest.attempt != self._attempt:
            self._attempt, self._seen, self._cells = manifest.attempt, (), []
        if manifest.files.notebook is None:
            return
        keys = AttemptKeys(manifest.attempt)
        seen, size = self._print(keys)
        if seen == self._seen:
            return
        self._seen, self._is_whole = seen, size <= MAX_BYTES
        if self._is_whole:
            self._cells = _cells_of(journal.current(self._record.store, keys) or {})

    def running_cell(self, manifest: Manifest) -> RunningCell | None:
        """The cell that runs by the manifest; what it printed is left out where the notebook has become too large."""
        index = manifest.cells.current
        if index is None:
            return None
        if manifest.attempt != self._attempt or not 0 <= index < len(self._cells):
            return RunningCell(index=index)
        source, printed = self._cells[index]
        return RunningCell(index=index, source=source, printed=printed if self._is_whole else "")

    def _print(self, keys: AttemptKeys) -> tuple[_Print, int]:
        """What tells whether copy or journal have changed, and how large they are together."""
        try:
            found = journal.pieces(self._record.store, keys)
        except ObjectMissing:
            return (), 0
        return tuple((each.key, each.size, each.modified) for each in found), sum(each.size for each in found)


def _cells_of(notebook: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Source and last printed lines of each cell; a notebook's writer may have put anything there."""
    cells = notebook.get("cells")
    return [_cell(each) for each in cells] if isinstance(cells, list) else []


def _cell(cell: Any) -> tuple[str, str]:
    if not isinstance(cell, dict):
        return "", ""
    source = storable(_text(cell.get("source")))
    if len(source) > SOURCE_CHARACTERS:
        source = f"{source[:SOURCE_CHARACTERS]}…"
    outputs = cell.get("outputs")
    return source, _last_lines(outputs if isinstance(outputs, list) else [])


def _last_lines(outputs: list[Any]) -> str:
    printed = ""
    for each in reversed(outputs):
        if isinstance(each, dict) and each.get("output_type") == "stream":
            printed = _text(each.get("text"))[-PRINTED_CHARACTERS:] + printed
        if len(printed) >= PRINTED_CHARACTERS:
            break
    plain = _TERMINAL_CODES.sub("", printed[-PRINTED_CHARACTERS:])
    # Of a line that was written over, as progress bars do, the newest.
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n")]
    return storable("\n".join(lines[-PRINTED_LINES - 1 :]).strip("\n"))


def _text(text: Any) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else text if isinstance(text, str) else ""
