"""What becomes of a manifest that somebody else than its runner has to seal: pure functions.

It goes two steps. A closing manifest says how the attempt ended and is not sealed yet: from then on the runner, should
it live after all, is shut out, so that what it left can be put in order. Then it is sealed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from daybook.contract.manifest import (
    FINAL_STATES,
    CellCounts,
    CellState,
    Manifest,
    Reason,
    State,
    Timings,
    exit_code_for,
)
from daybook.storage.journal import METADATA


@dataclass(frozen=True)
class Verdict:
    """How an attempt ended whose runner could not seal it.

    Attributes:
        state: a final one.
        reason: why.
        message: one clear sentence.
        by: who says so.
        image_digest: of the image that ran, where it is known.
    """

    state: State
    reason: Reason
    message: str
    by: Literal["runner", "operator", "sweeper"]
    image_digest: str | None = None


def overtaken(older: Manifest, newer: Manifest) -> Verdict:
    """The verdict on an attempt that has sealed nothing when the next one begins."""
    message = f"its runner had sealed no manifest when attempt {newer.attempt} took over"
    # Only an operator queues; where nobody does, the next runner is the first to come.
    by: Literal["runner", "operator"] = "operator" if newer.state is State.QUEUED else "runner"
    return Verdict(State.LOST, Reason.NEVER_SEALED, f"attempt {older.attempt} is lost: {message}", by)


def is_closing(manifest: Manifest) -> bool:
    """Whether somebody else than its runner is sealing it."""
    return manifest.state in FINAL_STATES and not manifest.sealed


def closing(manifest: Manifest, verdict: Verdict, now: datetime) -> Manifest:
    """The manifest with the verdict, and not sealed yet."""
    lost = verdict.state is State.LOST
    return manifest.model_copy(
        update={
            "state": verdict.state,
            "reason": verdict.reason,
            "message": verdict.message,
            "sealed_by": verdict.by,
            "exit_code": int(exit_code_for(verdict.state, verdict.reason)),
            "cells": _stopped(manifest.cells),
            "timings": _ended(manifest.timings, _end_of(manifest.timings, now) if lost else now),
            "image_digest": manifest.image_digest or verdict.image_digest,
        }
    )


def closed(manifest: Manifest, notebook_key: str | None, cells: CellCounts | None) -> Manifest:
    """The closing manifest, sealed.

    Args:
        manifest: closing.
        notebook_key: of the notebook, where the attempt left one.
        cells: as that notebook shows them, where it does.
    """
    found: dict[str, Any] = {"sealed": True}
    if notebook_key is not None:
        found["files"] = manifest.files.model_copy(update={"notebook": notebook_key})
    if cells is not None:
        found["cells"] = cells
    return manifest.model_copy(update=found)


def counted(notebook: Mapping[str, Any]) -> CellCounts | None:
    """What became of a notebook's code cells by its own marks; None where a cell has none."""
    marks = [
        (cell["metadata"].get(METADATA) or {}).get("state")
        for cell in notebook["cells"]
        if cell.get("cell_type") == "code"
    ]
    counts = Counter(marks)
    if set(counts) - set(CellState):
        return None
    return CellCounts(
        total=len(marks),
        succeeded=counts[CellState.SUCCEEDED],
        failed=counts[CellState.FAILED],
        interrupted=counts[CellState.INTERRUPTED],
        skipped=counts[CellState.SKIPPED],
        not_run=counts[CellState.NOT_RUN],
    )


def _end_of(timings: Timings, now: datetime) -> datetime:
    """When a lost attempt ended, as far as anybody knows: with its last sign of life."""
    last = timings.updated_at or timings.started_at
    return datetime.fromisoformat(last) if last is not None else now


def _ended(timings: Timings, now: datetime) -> Timings:
    began = datetime.fromisoformat(timings.started_at) if timings.started_at else None
    duration = (now - began).total_seconds() if began else None
    moment = now.isoformat()
    return timings.model_copy(update={"finished_at": moment, "updated_at": moment, "duration_seconds": duration})


def _stopped(cells: CellCounts) -> CellCounts:
    """No cell runs any more; the one that did was interrupted."""
    if cells.current is None:
        return cells
    return cells.model_copy(update={"current": None, "interrupted": cells.interrupted + 1})
