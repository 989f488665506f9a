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
LONGEST_SECONDS = 300.0
"""How seldom is saved what replaces itself again and again, at most."""
UNJOURNALLED_BYTES_PER_SECOND = 500_000
"""How fast whole copies may be written where there is no journal."""
_LOOK_SECONDS = 0.25


class Saving(Protocol):
    """Where the notebook is saved to."""

    def copy(self, held: int, /) -> int:
        """Saves a whole copy, which holds that many bytes of the journal; tells its size."""

    def size(self) -> int:
        """The size of a whole copy, if one were made now."""

    def follow(self, end: int, /) -> None:
        """Saves the journal up to there."""


class Flusher:
    """Saves what has changed, by a timer: the change alone as a slice of the journal, or a whole copy.

    Whole copies are for whoever looks at the notebook while it runs. Together with the slices they are kept below twice
    what the notebook is by now, and a little to spare, so that with the final notebook no more than three times its
    size is written. Only where output replaces itself again and again (a live plot) do the slices alone come to more:
    then less and less often is saved.
    """

    def __init__(
        self,
        changes: Changes,
        journal: Journal | None,
        saving: Saving,
        settle: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._changes = changes
        self._journal = journal
        self._saving = saving
        self._settle = settle
        self._say = say
        self._copied = False
        self._copy_is_behind = False
        self._unsaved = False
        self._written = 0
        self._size = 0
        self._measured_at = 0
        self._copy_at = 0.0
        self._due_at = 0.0

    async def run(self) -> None:
        """Flushes until it is cancelled; a flush that fails is told of, and tried again."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if not self._is_due(time.monotonic()):
                continue
            try:
                self.flush()
            except Exception as error:  # noqa: BLE001 - memory may be short: the run is worth more than its progress
                self._say(f"cannot save what is new, the run goes on: {error!r}")
                self._unsaved = True
                self._due_at = time.monotonic() + FLUSH_SECONDS

    def flush(self) -> None:
        """Saves what has changed since the last time."""
        started = time.monotonic()
        self._settle()
        end = self._into_journal()
        if self._copy_is_due(started, end):
            self._unsaved = True  # until it is
            self._size = self._saving.copy(end)
            self._unsaved = False
            self._copied = True
            self._copy_is_behind = False
            self._measured_at = end
            self._written += self._size
            unjournalled = 0.0 if self._has_journal else self._size / UNJOURNALLED_BYTES_PER_SECOND
            self._copy_at = started + max(unjournalled, self._cost(started))
        elif self._has_journal:
            self._saving.follow(end)
            self._copy_is_behind = True
        else:
            self._unsaved = True
        self._due_at = started + max(self._interval(end), self._cost(started)) - _LOOK_SECONDS

    def _is_due(self, now: float) -> bool:
        return now >= self._due_at and (bool(self._changes) or self._unsaved or self._copy_has_become_due(now))

    @property
    def _has_journal(self) -> bool:
        return self._journal is not None and self._journal.broken is None

    def _into_journal(self) -> int:
        if self._journal is None:
            self._changes.take()
            return 0
        before = self._journal.size
        if self._changes:
            self._journal.append(self._changes.take())
        self._written += self._journal.size - before
        return self._journal.size

    def _copy_has_become_due(self, now: float) -> bool:
        """Whether one that was left out as too soon can be made: a cell that prints no more would leave the old one."""
        return self._copy_is_behind and self._journal is not None and self._copy_is_due(now, self._journal.size)

    def _copy_is_due(self, now: float, end: int) -> bool:
        if not self._copied:
            return True  # slices need one to be about
        if now < self._copy_at:
            return False
        return not self._has_journal or self._written <= self._size_now(end) + SPARE_BYTES

    def _interval(self, end: int) -> float:
        """How long to wait until the next flush: twice as long for each time that too much has been written already."""
        excess = self._written / (2 * self._size_now(end) + SPARE_BYTES)
        return FLUSH_SECONDS if excess <= 1 else min(LONGEST_SECONDS, FLUSH_SECONDS * 2 ** (excess - 1))

    def _size_now(self, end: int) -> int:
        """How large the notebook is, at least about: by what the journal has gained since it was measured last."""
        if end - self._measured_at > max(self._size, SPARE_BYTES):
            self._size = self._saving.size()
            self._measured_at = end
        return self._size + end - self._measured_at

    def _cost(self, started: float) -> float:
        """Saving holds up the conversation with the kernel: it may take a tenth of the time at most."""
        return 10 * (time.monotonic() - started)
