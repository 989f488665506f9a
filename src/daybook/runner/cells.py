"""What becomes of each cell: states in the notebook's metadata, counts for the manifest, and how the run ended."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from daybook.contract.manifest import TRACEBACK_TAIL_CHARACTERS, CellCounts, CellError, CellState, Reason

METADATA = "daybook"
"""The key of a notebook's and a cell's metadata that is ours."""
SKIP_TAG = "skip-execution"
MAY_RAISE_TAG = "raises-exception"
_TERMINAL_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
# What papermill's tools read: it knows no cell that was skipped or never ran but `pending`.
_PAPERMILL_STATUS = {
    CellState.RUNNING: "running",
    CellState.SUCCEEDED: "completed",
    CellState.FAILED: "failed",
    CellState.INTERRUPTED: "failed",
    CellState.SKIPPED: "pending",
    CellState.NOT_RUN: "pending",
}


def code_cells(notebook: Any) -> Iterator[tuple[int, Any]]:
    """The code cells with their places in the notebook."""
    return ((index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code")


def is_skipped(cell: Any) -> bool:
    """Whether a code cell is not to be executed: its tag says so, or there is nothing in it."""
    return SKIP_TAG in cell.metadata.get("tags", ()) or not cell.source.strip()


def may_raise(cell: Any) -> bool:
    """Whether an exception in a cell is part of the show."""
    return MAY_RAISE_TAG in cell.metadata.get("tags", ())


def lay_out(notebook: Any) -> None:
    """Notes of every cell that it has not run; papermill's own notes of an earlier run go."""
    for cell in notebook.cells:
        cell.metadata["papermill"] = {
            "exception": None,
            "start_time": None,
            "end_time": None,
            "duration": None,
            "status": "pending" if cell.cell_type == "code" else "completed",
        }
    for _, cell in code_cells(notebook):
        note(cell, CellState.NOT_RUN)


def note(cell: Any, state: CellState) -> None:
    """Notes a cell's state in its metadata, in our words and in papermill's."""
    cell.metadata[METADATA] = {"state": state.value}
    mark = cell.metadata["papermill"]
    mark["status"] = _PAPERMILL_STATUS[state]
    if state is CellState.RUNNING:
        mark["start_time"] = datetime.now(UTC).isoformat()
        mark["exception"] = False
    elif mark["start_time"] is not None:
        ended = datetime.now(UTC)
        mark["end_time"] = ended.isoformat()
        mark["duration"] = (ended - datetime.fromisoformat(mark["start_time"])).total_seconds()
        mark["exception"] = state in (CellState.FAILED, CellState.INTERRUPTED)


def counts(notebook: Any) -> CellCounts:
    """How many code cells there are and what became of them, as their metadata says."""
    states = [CellState(cell.metadata[METADATA]["state"]) for _, cell in code_cells(notebook)]
    running = [
        index for index, cell in code_cells(notebook) if cell.metadata[METADATA]["state"] == CellState.RUNNING.value
    ]
    return CellCounts(
        total=len(states),
        succeeded=states.count(CellState.SUCCEEDED),
        failed=states.count(CellState.FAILED),
        interrupted=states.count(CellState.INTERRUPTED),
        skipped=states.count(CellState.SKIPPED),
        not_run=states.count(CellState.NOT_RUN),
        current=running[0] if running else None,
    )


def error_of(cell: Any, index: int, reason: Reason, reply: Mapping[str, Any]) -> CellError:
    """The cell that ended the run, for the manifest; the name is the exception's, or the reason where there is none."""
    raised = next((output for output in cell.outputs if output.output_type == "error"), None)
    trace = raised.traceback if raised is not None else reply.get("traceback") or ()
    return CellError(
        cell=index,
        name=(raised.ename if raised is not None else str(reply.get("ename") or "")) or reason.value,
        value=plain(raised.evalue if raised is not None else str(reply.get("evalue") or "")),
        source=cell.source,
        traceback=plain("\n".join(map(str, trace)))[-TRACEBACK_TAIL_CHARACTERS:],
    )


def plain(text: str) -> str:
    """A text without terminal colours, and without what UTF-8 cannot hold."""
    return _TERMINAL_CODES.sub("", text).encode("utf-8", "backslashreplace").decode()
