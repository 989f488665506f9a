"""How often one user may ask for a run: a bucket of tokens for each, which fills up with time."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

MAX_USERS = 10_000
"""Whoever asked longest ago is forgotten beyond this, and may begin anew."""


class TooManyRuns(Exception):
    """The user has asked for more runs than one may in a minute.

    Attributes:
        seconds: after which the next one is taken.
    """

    def __init__(self, per_minute: int, seconds: int) -> None:
        super().__init__(f"you may ask for {per_minute} runs a minute; ask again in {seconds} s")
        self.seconds = seconds


class RunRates:
    """The buckets of one process: several processes or replicas allow as many times the rate. Used on one event loop.

    Args:
        per_minute: how many runs a user may ask for in a minute, also all at once.
        clock: seconds, never set back.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._left: OrderedDict[str | None, tuple[float, float]] = OrderedDict()

    def take(self, user: str | None) -> None:
        """Takes one token of a user's.

        Raises:
            TooManyRuns: there is none.
        """
        now = self._clock()
        left, at = self._left.pop(user, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - at) * self._per_minute / 60)
        is_one = left >= 1
        self._left[user] = (left - 1 if is_one else left, now)
        if len(self._left) > MAX_USERS:
            self._left.popitem(last=False)
        if not is_one:
            raise TooManyRuns(self._per_minute, max(1, math.ceil((1 - left) * 60 / self._per_minute)))
