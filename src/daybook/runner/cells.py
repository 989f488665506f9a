"""What becomes of each cell: states in the notebook's metadata, counts for the manifest, and how the run ended."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import TRACEBACK_TAIL_CHARACTERS, CellCounts, CellError, CellState, Reason, State
from daybook.contract.request import RunRequest
from daybook.contract.sources import shown
from daybook.runner.ending import Ending
from daybook.storage.journal import HELD, METADATA

VALUE_CHARACTERS = 2_000
SOURCE_CHARACTERS = 20_000
"""How much of an exception's text and of its cell the manifest holds; the executed notebook has all of it."""
MESSAGE_CHARACTERS = 300
"""How much of an exception's first line a message holds."""
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


def output_of(kind: str, **fields: Any) -> Any:
    """An output of a cell.

    nbformat's own `new_output` checks each against its schema, which takes longer than a small cell to execute, and the
    first one 50 ms; what a kernel sends has been given its form by then.
    """
    from nbformat import NotebookNode

    return NotebookNode(output_type=kind, **fields)


def code_cells(notebook: Any) -> Iterator[tuple[int, Any]]:
    """The code cells with their places in the notebook."""
    return ((index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code")


def is_skipped(cell: Any) -> bool:
    """Whether a code cell is not to be executed: its tag says so, or there is nothing in it."""
    return SKIP_TAG in cell.metadata.get("tags", ()) or not cell.source.strip()


def may_raise(cell: Any) -> bool:
    """Whether an exception in a cell is part of the show."""
    return MAY_RAISE_TAG in cell.metadata.get("tags", ())


class Tally:
    """What has become of a notebook's code cells by now; kept count of, since a notebook may have thousands."""

    def __init__(self, notebook: Any) -> None:
        """Notes of every cell that it has not run; papermill's own notes of an earlier run go."""
        self._states: dict[int, CellState] = {}
        for index, cell in enumerate(notebook.cells):
            cell.metadata["papermill"] = {
                "exception": None,
                "start_time": None,
                "end_time": None,
                "duration": None,
                "status": "pending" if cell.cell_type == "code" else "completed",
            }
            if cell.cell_type == "code":
                note(cell, CellState.NOT_RUN)
                self._states[index] = CellState.NOT_RUN
        self._counts = Counter(self._states.values())
        self._current: int | None = None

    def note(self, cell: Any, index: int, state: CellState) -> None:
        """A cell's state has changed."""
        note(cell, state)
        self._counts[self._states[index]] -= 1
        self._counts[state] += 1
        self._states[index] = state
        self._current = index if state is CellState.RUNNING else None

    def counts(self) -> CellCounts:
        """The counts for the manifest; another thread may ask."""
        counted = self._counts
        return CellCounts(
            total=len(self._states),
            succeeded=counted[CellState.SUCCEEDED],
            failed=counted[CellState.FAILED],
            interrupted=counted[CellState.INTERRUPTED],
            skipped=counted[CellState.SKIPPED],
            not_run=counted[CellState.NOT_RUN],
            current=self._current,
        )


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


def close(notebook: Any, ending: Ending, started: datetime, request: RunRequest) -> None:
    """Writes into the notebook's own metadata what became of the run, for us and for papermill's tools."""
    finished = datetime.now(UTC)
    notebook.metadata[METADATA] = {
        "run_id": request.run_id,
        "attempt": request.attempt,
        "state": ending.state.value,
        "reason": ending.reason.value if ending.reason else None,
        "message": ending.message,
    }
    notebook.metadata["papermill"] = {
        **notebook.metadata.get("papermill", {}),
        "input_path": shown(request.notebook.source),
        "output_path": f"{request.output}/{AttemptKeys(request.attempt).notebook}",
        "parameters": dict(request.parameters),
        "environment_variables": {},
        "start_time": started.isoformat(),
        "end_time": finished.isoformat(),
        "duration": (finished - started).total_seconds(),
        "exception": None if ending.state is State.SUCCEEDED else True,
    }


def mark_running(notebook: Any, request: RunRequest, held: int) -> None:
    """Writes into a copy on the way which attempt it is of, and how much of the journal it holds."""
    notebook.metadata[METADATA] = {
        "run_id": request.run_id,
        "attempt": request.attempt,
        "state": State.RUNNING.value,
        HELD: held,
    }


def error_of(cell: Any, index: int, reason: Reason, reply: Mapping[str, Any]) -> CellError:
    """The cell that ended the run, for the manifest; the name is the exception's, or the reason where there is none."""
    shown = [output for output in cell.outputs if output.output_type == "error"]
    # A cell may show exceptions that it has caught: the one that ended it is the last, and named in the reply.
    ended = [output for output in shown if output.ename == reply.get("ename")]
    raised = next(iter([*ended[-1:], *shown[-1:]]), None)
    trace = raised.traceback if raised is not None else reply.get("traceback") or ()
    return CellError(
        cell=index,
        name=(raised.ename if raised is not None else str(reply.get("ename") or "")) or reason.value,
        value=plain(raised.evalue if raised is not None else str(reply.get("evalue") or ""))[:VALUE_CHARACTERS],
        source=cell.source[:SOURCE_CHARACTERS],
        traceback=plain("\n".join(map(str, trace)))[-TRACEBACK_TAIL_CHARACTERS:],
    )


def in_brief(error: CellError) -> str:
    """An exception on one line, for a message."""
    first = next(iter(error.value.splitlines()), "")
    text = first if len(first) <= MESSAGE_CHARACTERS else f"{first[:MESSAGE_CHARACTERS]}…"
    return f"{error.name}: {text}" if text else error.name


def plain(text: str) -> str:
    """A text without terminal colours, and without what UTF-8 cannot hold."""
    return _TERMINAL_CODES.sub("", text).encode("utf-8", "backslashreplace").decode()
