"""Saves the notebook while it runs: often enough to lose little, seldom enough to write little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from daybook.runner.changes import Changes
from daybook.runner.journal import Journal

FLUSH_SECONDS = 1.5
"""How often what is new is saved; with the upload, at most 2 s of output are lost when the runner itself is killed."""
SPARE_BYTES = 4 * 2**20
"""How much may be written in whole copies of a small notebook, whatever its size."""
UNJOURNALLED_BYTES_PER_SECOND = 500_000
"""How fast whole copies may be written where there is no journal."""
_LOOK_SECONDS = 0.25


class Saving(Protocol):
    """Where the notebook is saved to."""

    def copy(self, held: int, /) -> int:
        """Saves a whole copy, which holds that many bytes of the journal; tells its size."""

    def follow(self, end: int, /) -> None:
        """Saves the journal up to there."""


class Flusher:
    """Saves what has changed, by a timer: the change alone as a slice of the journal, or a whole copy.

    Whole copies are for whoever looks at the notebook while it runs. Together with the slices they are kept below twice
    what the notebook is by now, and a little to spare, so that with the final notebook no more than three times its
    size is written.
    """

    def __init__(self, changes: Changes, journal: Journal | None, saving: Saving, settle: Callable[[], None]) -> None:
        self._changes = changes
        self._journal = journal
        self._saving = saving
        self._settle = settle
        self._copied = 0
        self._held = 0
        self._written = 0
        self._copy_at = 0.0
        self._due_at = 0.0

    async def run(self) -> None:
        """Flushes until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._changes and time.monotonic() >= self._due_at:
                self.flush()

    def flush(self) -> None:
        """Saves what has changed since the last time."""
        started = time.monotonic()
        self._settle()
        end = self._into_journal()
        if self._copy_is_due(started, end):
            self._copied = self._saving.copy(end)
            self._held = end
            self._written += self._copied
            unjournalled = 0.0 if self._has_journal else self._copied / UNJOURNALLED_BYTES_PER_SECOND
            self._copy_at = started + max(unjournalled, self._cost(started))
        else:
            self._saving.follow(end)
        self._due_at = started + max(FLUSH_SECONDS, self._cost(started)) - _LOOK_SECONDS

    @property
    def _has_journal(self) -> bool:
        return self._journal is not None and self._journal.broken is None

    def _into_journal(self) -> int:
        delta = self._changes.take()
        if self._journal is None:
            return 0
        before = self._journal.size
        self._journal.append(delta)
        self._written += self._journal.size - before
        return self._journal.size

    def _copy_is_due(self, now: float, end: int) -> bool:
        if self._copied == 0:
            return True  # slices need one to be about
        if now < self._copy_at:
            return False
        size = self._copied + end - self._held
        return not self._has_journal or self._written <= size + SPARE_BYTES

    def _cost(self, started: float) -> float:
        """Saving holds up the conversation with the kernel: it may take a tenth of the time at most."""
        return 10 * (time.monotonic() - started)
