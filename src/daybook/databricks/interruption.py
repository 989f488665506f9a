"""A person's interrupt, which ends whatever the kernel waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(Exception):
    """What was waited for is not waited for any more."""


class Interruption:
    """Asked for in any thread, met where a cell waits. Without a cell there is nothing to interrupt."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._running = False
        self._for_good = False
        self._here = threading.local()

    @contextmanager
    def cell(self) -> Iterator[None]:
        """While a cell runs, it can be interrupted.

        Raises:
            Interrupted: everything ends.
        """
        if self._for_good:
            raise Interrupted
        self._running = True
        try:
            yield
        finally:
            self._running = False
            self.settle()

    def ask(self) -> None:
        """Interrupts the cell that runs, if one does."""
        if self._running:
            self._asked.set()

    def ask_for_good(self) -> None:
        """Interrupts it, and no cell is begun any more."""
        self._for_good = True
        self._asked.set()

    @property
    def for_good(self) -> bool:
        """Whether everything ends."""
        return self._for_good

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """What this thread does within, to put things in order, is not interrupted; other threads are, all the same."""
        self._here.is_deaf = True
        try:
            yield
        finally:
            self._here.is_deaf = False

    @property
    def _is_deaf(self) -> bool:
        return bool(getattr(self._here, "is_deaf", False))

    def settle(self) -> None:
        """It has been met: what is begun now, to put things in order, is not interrupted by it."""
        if not self._is_deaf:  # else it is another thread's to meet
            self._asked.clear()

    def wait(self, seconds: float) -> None:
        """Waits.

        Raises:
            Interrupted: somebody asked, before or meanwhile.
        """
        if self._is_deaf:
            time.sleep(seconds)
        elif self._asked.wait(seconds):
            raise Interrupted
