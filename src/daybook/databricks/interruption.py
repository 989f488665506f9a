"""A person's interrupt, which ends whatever the kernel waits for."""

from __future__ import annotations

import threading
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

    @contextmanager
    def cell(self) -> Iterator[None]:
        """While a cell runs, it can be interrupted."""
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
        """Interrupts it, and everything that is begun later."""
        self._for_good = True
        self._asked.set()

    def settle(self) -> None:
        """It has been met: what is begun now is not interrupted by it."""
        if not self._for_good:
            self._asked.clear()

    def release(self) -> None:
        """The end is being put in order, and nothing interrupts that."""
        self._for_good = False
        self._asked.clear()

    def wait(self, seconds: float) -> None:
        """Waits.

        Raises:
            Interrupted: somebody asked, before or meanwhile.
        """
        if self._asked.wait(seconds):
            raise Interrupted
