"""Watchers: each looks at one run, as long as somebody watches, and tells all of them at once what it saw."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from daybook.contract.errors import DaybookError
from daybook.web.live.model import Progress

LOOK_SECONDS = 0.5
"""Between two looks. The runner tells of a cell's end within a second: whoever watches knows it within two."""
AGAIN_SECONDS = 3.0
"""After a look that failed."""
MAX_RUNS = 500
"""Runs watched at a time by one process: a thousand small reads a second."""
MAX_VIEWERS = 2_000
MAX_VIEWERS_OF_ONE_USER = 100
"""Somebody's open pages; one user cannot keep all others from watching."""
THREADS_OF_WORKSPACE = 4
"""A bucket that does not answer holds up threads: only those of its own workspace."""

Look = Callable[[], Progress]
Found = TypeVar("Found")
_LOG = logging.getLogger(__name__)


class TooMany(Exception):
    """More is watched than one process can; the text says what to do."""


@dataclass(frozen=True)
class Told:
    """What a watcher saw last.

    Attributes:
        number: counts what it saw that was new.
        data: the progress as JSON, made once for all who watch.
        is_last: whether nothing follows.
    """

    number: int
    data: bytes
    is_last: bool


class Watcher:
    """Looks at one run twice a second. It lives on one event loop; only the looks themselves are taken in threads."""

    def __init__(self, look: Callable[[], Look], blank: Progress, threads: CapacityLimiter) -> None:
        self._make_look = look
        self._progress = blank
        self._threads = threads
        self._told: Told | None = None
        self._has_ended = False
        self._change = asyncio.Event()
        self._task = asyncio.create_task(self._work())
        self.viewers = 0

    async def next(self, after: int, timeout: float) -> Told | None:
        """What is newer than a number, as soon as there is; None where nothing came in time, or nothing will come."""
        if self._told is not None and self._told.number > after:
            return self._told
        if not self._has_ended:
            change = self._change
            try:
                await asyncio.wait_for(change.wait(), timeout)
            except TimeoutError:
                return None
        return self._told if self._told is not None and self._told.number > after else None

    @property
    def has_ended(self) -> bool:
        """Whether nothing will come any more."""
        return self._has_ended

    def close(self) -> None:
        """Ends the looking; closing twice is fine."""
        self._task.cancel()

    async def _work(self) -> None:
        try:
            look = await self._in_thread(self._make_look)
            while not self._progress.is_over:
                await asyncio.sleep(await self._look(look))
        except DaybookError as error:
            self._tell(self._progress.model_copy(update={"trouble": str(error)}))
        except Exception:  # noqa: BLE001 - a task's edge: who watches is let go, and comes again
            _LOG.exception("The watcher of run %s has ended", self._progress.run_id)
        finally:
            self._has_ended = True
            self._wake()

    async def _look(self, look: Look) -> float:
        """Takes one look; tells how long to wait until the next."""
        try:
            self._tell(await self._in_thread(look))
        except DaybookError as error:
            self._tell(self._progress.model_copy(update={"trouble": str(error)}))
            return AGAIN_SECONDS
        return 0 if self._progress.is_over else LOOK_SECONDS

    async def _in_thread(self, work: Callable[[], Found]) -> Found:
        return await to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)

    def _tell(self, progress: Progress) -> None:
        if self._told is not None and progress == self._progress:
            return
        self._progress = progress
        number = self._told.number + 1 if self._told is not None else 1
        self._told = Told(number, progress.model_dump_json().encode(), progress.is_over)
        self._wake()

    def _wake(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()


class Watchers:
    """All watchers of one process. Used on one event loop."""

    def __init__(self) -> None:
        self._watchers: dict[tuple[str, str], Watcher] = {}
        self._threads: dict[str, CapacityLimiter] = {}
        self._users: Counter[str | None] = Counter()

    def require_room(self, workspace: str, run_id: str, user: str | None) -> None:
        """Looks whether somebody more can watch.

        Raises:
            TooMany: no.
        """
        if self._users[user] >= MAX_VIEWERS_OF_ONE_USER:
            raise TooMany(f"you have {MAX_VIEWERS_OF_ONE_USER} pages open that follow a run; close some")
        is_new = (workspace, run_id) not in self._watchers
        if self._users.total() >= MAX_VIEWERS or (is_new and len(self._watchers) >= MAX_RUNS):
            raise TooMany("more runs are being followed than can be; load the page anew to see how far the run is")

    @contextmanager
    def watching(
        self, workspace: str, run_id: str, user: str | None, look: Callable[[], Look], blank: Progress
    ) -> Iterator[Watcher]:
        """The watcher of a run; the first one who comes starts it, the last one who goes ends it.

        Args:
            workspace: where the run is.
            run_id: the run.
            user: who watches; has been let in there.
            look: makes what looks at the run; may block, as its looks may.
            blank: what is known before the first look.

        Raises:
            TooMany: more is watched than one process can.
        """
        self.require_room(workspace, run_id, user)
        key = (workspace, run_id)
        watcher = self._watchers.get(key)
        if watcher is None or watcher.has_ended:
            threads = self._threads.setdefault(workspace, CapacityLimiter(THREADS_OF_WORKSPACE))
            watcher = self._watchers[key] = Watcher(look, blank, threads)
        watcher.viewers += 1
        self._users[user] += 1
        try:
            yield watcher
        finally:
            watcher.viewers -= 1
            self._users[user] -= 1
            if not self._users[user]:
                del self._users[user]
            if not watcher.viewers:
                watcher.close()
                if self._watchers.get(key) is watcher:
                    del self._watchers[key]
