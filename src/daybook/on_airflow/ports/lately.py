"""What was read a moment ago, for many who ask at once and must not wait for a database that is slow."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

T = TypeVar("T")

PATIENCE_SECONDS = 2.0
"""Whoever asks waits no longer than this, and gets what was known before."""
_LOG = logging.getLogger(__name__)


class Lately(Generic[T]):
    """A reading that is shared until it is too old; one thread reads at a time.

    Args:
        read: reads from Airflow's database.
        seconds: how long a reading counts.
        before: what is known before anything was read.
        patience: how long whoever asks may be kept waiting, seconds.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        read: Callable[[], T],
        seconds: float,
        before: T,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._known = before
        self._patience = patience
        self._clock = clock
        self._until = float("-inf")
        self._is_behind = False
        self._reading: Future[None] | None = None
        self._lock = Lock()
        self._reader = ThreadPoolExecutor(1, "daybook-lately")

    @property
    def is_behind(self) -> bool:
        """Whether what was given last is only what was known before: the database did not answer, or not in time."""
        return self._is_behind

    def get(self) -> T:
        """The reading; the last one where the database does not answer in time, or not at all."""
        with self._lock:
            if self._clock() < self._until:
                return self._known
            if self._reading is None or self._reading.done():
                self._reading = self._reader.submit(self._refresh)
            reading = self._reading
        try:
            reading.result(self._patience)
        except TimeoutError:
            self._is_behind = True
            _LOG.warning("Airflow's database is slow; what was known before is shown")
        return self._known

    def _refresh(self) -> None:
        try:
            self._known = self._read()
            self._is_behind = False
        except SQLAlchemyError as error:
            self._is_behind = True
            _LOG.warning("Airflow's database does not answer; what was known before is shown: %s", error)
        self._until = self._clock() + self._seconds
