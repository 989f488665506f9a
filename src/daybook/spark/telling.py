"""Tells the run's record of the session's operations: how far they are, and what became of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from daybook.spark.operations import Listener, Operation

PROGRESS_SECONDS = 1.0
"""Between two words on what runs: the run's record is written no more often."""

Tell = Callable[[Mapping[str, Any]], None]


class Telling:
    """Listens to operations and tells of them, one JSON object at a time.

    Args:
        tell: takes an object.
        clock: seconds that only grow.
    """

    def __init__(self, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._told_at = float("-inf")

    def progressed(self, operation: Operation) -> None:
        """Tells how far it is, now and then."""
        with self._lock:
            now = self._clock()
            if now - self._told_at < PROGRESS_SECONDS:
                return
            self._told_at = now
        # All of it: should the kernel be killed, this is what is known of the operation that it ran.
        self._say("spark_progress", operation)

    def ended(self, operation: Operation) -> None:
        """Tells of it once more, and for good."""
        self._say("spark_operation", operation)

    def _say(self, kind: str, operation: Operation) -> None:
        times = {name: round(getattr(operation, name), 3) for name in ("seconds", "started_at")}
        with suppress(OSError):  # a full disk: the query itself is none the worse for it
            self._tell({"kind": kind, **asdict(operation), **times})


class Several:
    """Listeners as one."""

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._listeners = tuple(listeners)

    def progressed(self, operation: Operation) -> None:
        """Each is told."""
        for each in self._listeners:
            each.progressed(operation)

    def ended(self, operation: Operation) -> None:
        """Each is told."""
        for each in self._listeners:
            each.ended(operation)
