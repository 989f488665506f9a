"""Looks into buckets that go on in the background, and how long a page waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass

FIRST_WAIT_SECONDS = 1.0
"""How long somebody who will not look again waits for a bucket of which the index knows nothing yet."""
WHOLE_SECONDS = 0.1
"""How long a page that renews itself waits for all its rows; then it is shown with those known by then."""
SOON_SECONDS = 0.15
"""How long it waits for any at all: with what else a page takes, it is there in 0.2 s however slow the bucket is."""


@dataclass(frozen=True)
class Underway:
    """A look that was begun.

    Attributes:
        future: done when the look is through.
        since: when it began, seconds.
        begun: set once there is something to show, or nothing more to wait for.
    """

    future: Future[None]
    since: float
    begun: threading.Event

    def has_lasted(self, now: float) -> float:
        """Seconds; a clock that was set back makes them none."""
        return max(0.0, now - self.since)


def wait_for(looks: Sequence[Underway], seconds: float, now: float) -> None:
    """Waits until all are through, but not longer than so many seconds after the first of them began."""
    if looks:
        wait([each.future for each in looks], max(0.0, seconds - max(each.has_lasted(now) for each in looks)))


def wait_first(looks: Sequence[Underway], now: float, *, soon: bool) -> None:
    """Waits for looks into buckets of which nothing is known: till they are through, or (soon) each has some rows.

    Neither for long: see the seconds above.
    """
    if not soon:
        wait_for(looks, FIRST_WAIT_SECONDS, now)
        return
    until = time.monotonic() + SOON_SECONDS
    wait_for(looks, WHOLE_SECONDS, now)
    for each in looks:
        each.begun.wait(max(0.0, until - time.monotonic() - each.has_lasted(now)))
