"""Tries a bucket again for a while: what a run has made is worth more than a minute's wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from daybook.contract.errors import StoreFailed

PATIENCE_SECONDS = 60.0
"""How long, in all, a failing bucket is tried again at a run's end: a restart or a failover is over by then."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0


@dataclass
class Patience:
    """A budget of time that everything at a run's end shares; any thread may draw on it.

    Attributes:
        seconds: from the first failure on, no try begins later than this.
        say: told of the first failure.
        clock: seconds that only grow.
        sleep: waits for some seconds.
    """

    seconds: float
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _deadline: float | None = field(default=None, init=False)

    def run(self, attempt: Callable[[], None]) -> None:
        """Does something with the bucket, again and again until it works, or time is up.

        Raises:
            StoreFailed: as the last try did; at once where another one cannot help.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return attempt()
            except StoreFailed as error:
                if not error.retry_helps or self._left(error) < pause:
                    raise
            self.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _left(self, error: StoreFailed) -> float:
        if self._deadline is None:
            self._deadline = self.clock() + self.seconds
            if self.seconds > 0:
                self.say(f"the bucket failed, trying again for up to {self.seconds:g} s: {error}")
        return self._deadline - self.clock()
