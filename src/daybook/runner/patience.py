"""Tries a bucket or server again for a while: what a run has made is worth more than two minutes' wait."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from daybook.contract.errors import StoreFailed

PATIENCE_SECONDS = 150.0
"""How long, in all, a bucket may fail before the run does: a restart, a failover or a minute with credentials that have
expired is over by then, also where several of them follow one another."""
INTERRUPTED_PATIENCE_SECONDS = 35.0
"""The same from when the run was asked to end: Kubernetes kills the pod 60 s after that. A call that begins last still
has `storage.network.RETRY_SECONDS`, and before the first one the kernel was to be interrupted and the page rendered."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0
LONGEST_LATE_PAUSE_SECONDS = 60.0
"""The same once the bucket has failed for `PATIENCE_SECONDS`: that is no moment's failure any more."""
SAY_AGAIN_SECONDS = 300.0
"""How often it is said that the bucket still fails."""
_SHORTEST_PART = 0.5
"""A pause lasts from this part of its length up to all of it, so that many runs do not come back at the same moment."""

_Result = TypeVar("_Result")


@dataclass
class Patience:
    """A budget of time that everything at a run's end shares; any thread may draw on it.

    Only the time counts in which the bucket fails: from a failure up to the next success of whichever call. So a
    moment's failure at the start of a long upload does not use up what the seal at its end may need.

    Attributes:
        seconds: for how long, in all, the bucket may fail; no try begins later than this.
        say: told of the first failure.
        clock: seconds that only grow.
        sleep: waits for some seconds.
        chance: a number from 0 up to 1, each time another one.
        hurried: whether the run was asked to end, so that no more than `INTERRUPTED_PATIENCE_SECONDS` are left.
    """

    seconds: float
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    hurried: Callable[[], bool] = lambda: False
    _spent: float = field(default=0.0, init=False)
    _failing_since: float | None = field(default=None, init=False)
    _said_at: float | None = field(default=None, init=False)
    _ends_soon: bool = field(default=False, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def run(self, attempt: Callable[[], _Result]) -> _Result:
        """Does something with the bucket, again and again until it works, or time is up.

        Returns:
            What it gave.

        Raises:
            StoreFailed: as the last try did; at once where another one cannot help.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                result = attempt()
            except StoreFailed as error:
                if not error.retry_helps:
                    raise
                left, longest = self._left(error)
                if left <= 0:
                    raise
            else:
                self._worked()
                return result
            pause = min(pause, longest)
            self.sleep(min(left, pause * (_SHORTEST_PART + (1 - _SHORTEST_PART) * self.chance())))
            pause *= 2

    def _left(self, error: StoreFailed) -> tuple[float, float]:
        """Seconds that are left, and the longest pause until the next try."""
        with self._lock:
            now = self.clock()
            if self._failing_since is None:
                self._failing_since = now
            failed = self._spent + now - self._failing_since
            if not self._ends_soon and self.hurried():
                self._ends_soon, self._said_at = True, None
                self.seconds = min(self.seconds, failed + INTERRUPTED_PATIENCE_SECONDS)
            left = self.seconds - failed
            is_new = left > 0 and (self._said_at is None or now - self._said_at >= SAY_AGAIN_SECONDS)
            self._said_at = now if is_new else self._said_at
        if is_new:
            self.say(f"trying again for up to {round(left, 1):g} s: {error}")
        late = failed >= PATIENCE_SECONDS and not self._ends_soon
        return left, LONGEST_LATE_PAUSE_SECONDS if late else LONGEST_PAUSE_SECONDS

    def _worked(self) -> None:
        with self._lock:
            if self._failing_since is not None:
                self._spent += self.clock() - self._failing_since
                self._failing_since = None
