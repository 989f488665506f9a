"""Rows of the history, and how they are asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self

from daybook.contract import keys
from daybook.contract.manifest import Reason, State

_CURSOR = re.compile(r"(?P<run>[^.]{1,80})\.(?P<workspace>[a-z0-9-]{1,63})")


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


DURATION_SECONDS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
"""The bounds by which runs are counted: from a smoke test to a day's computation."""


@dataclass(frozen=True)
class Counts:
    """How many runs of a notebook stand so.

    Attributes:
        workspace: where they ran.
        notebook: the notebook's id, as the records have it.
        state: their state.
        reason: why they ended so.
        runs: how many.
        timed: how many of them have a duration.
        seconds: the sum of their durations.
        bytes: of all their outputs.
        below: how many took at most each of `DURATION_SECONDS`.
    """

    workspace: str
    notebook: str
    state: str
    reason: str | None
    runs: int
    timed: int
    seconds: float
    bytes: int
    below: tuple[int, ...]


@dataclass(frozen=True)
class Filter:
    """Which runs; what is None does not matter. Dates are of the moment the run was asked for, UTC, inclusive."""

    notebook: str | None = None
    state: State | None = None
    user: str | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Cursor:
    """A place in the order of all runs: the newest first, those of one id by workspace."""

    run_id: str
    workspace: str

    def __str__(self) -> str:
        return f"{self.run_id}.{self.workspace}"

    @classmethod
    def read(cls, text: str) -> Self:
        """From what `str` gave.

        Raises:
            ValueError: it gave something else.
        """
        found = _CURSOR.fullmatch(text)
        if found is None or not keys.is_run_id(found["run"]):
            raise ValueError("is no place in a list of runs; begin at the first page")
        return cls(found["run"], found["workspace"])


@dataclass(frozen=True)
class Unreadable:
    """A run whose record is none that this Daybook reads; it harms no other."""

    workspace: str
    run_id: str
    fault: str


@dataclass(frozen=True)
class Page:
    """Some runs, the newest first.

    Attributes:
        rows: the runs.
        after: where the next page begins; None for the last one.
        is_complete: False while older runs are still being read from the buckets, so that some may be missing.
        unreadable: the newest runs whose records cannot be read, a few of them, whatever the filter.
        not_refreshed: workspaces whose buckets do not answer, so that newer runs and states may be missing.
        is_refreshing: whether newer runs and states are being looked for, and a look a moment later may show them.
        as_of: of when the oldest of what is shown is then; None where a workspace was never looked into.
    """

    rows: Sequence[RunRow]
    after: str | None
    is_complete: bool
    unreadable: Sequence[Unreadable] = ()
    not_refreshed: Sequence[str] = ()
    is_refreshing: bool = False
    as_of: datetime | None = None
