"""Rows of the history, and how they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from daybook.contract.manifest import Reason, State


@dataclass(frozen=True)
class RunRow:
    """What a list shows of a run.

    Attributes:
        workspace: where it ran.
        run_id: its id; ids of one workspace sort by the time they were asked for.
        notebook: the notebook's id.
        title: the notebook's title when it ran.
        state: its state.
        reason: why it ended so.
        sealed: whether nothing of it changes any more.
        attempt: the newest attempt.
        user: on whose behalf.
        asked_at: when it was asked for.
        finished_at: when it ended.
        duration_seconds: from start to finish of the attempt.
    """

    workspace: str
    run_id: str
    notebook: str
    title: str
    state: State
    reason: Reason | None
    sealed: bool
    attempt: int
    user: str | None
    asked_at: datetime
    finished_at: datetime | None
    duration_seconds: float | None


@dataclass(frozen=True)
class Filter:
    """Which runs; what is None does not matter. Dates are of the moment the run was asked for, UTC, inclusive."""

    notebook: str | None = None
    state: State | None = None
    user: str | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Page:
    """Some runs, the newest first.

    Attributes:
        rows: the runs.
        after: where the next page begins; None for the last one.
        is_complete: False while older runs are still being read from the buckets, so that some may be missing.
    """

    rows: Sequence[RunRow]
    after: str | None
    is_complete: bool
