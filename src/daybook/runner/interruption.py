"""Signals that ask the runner to end: taken note of at once, acted upon where it is safe."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from daybook.contract.errors import RunInterrupted

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_LOOK_SECONDS = 0.5
"""How soon whoever waits notices a signal."""


class Interruption:
    """Whether, and by what, the run was asked to end.

    While `calling`, a signal calls back. Otherwise it raises `RunInterrupted` where the program happens to be, until
    `settled`: from then on the run is being recorded, and a signal changes nothing any more.
    """

    def __init__(self) -> None:
        self._signal: signal.Signals | None = None
        self._call: Callable[[], object] | None = None
        self._settled = False
        self._before: dict[signal.Signals, Any] = {}
        self.raised: RunInterrupted | None = None
        """What a signal raised; whoever caught it on its way may have made another error of it."""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # What is ignored on purpose (`nohup`) stays so.
            heard = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
            self._before = {each: signal.signal(each, self._received) for each in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)
        self._before = {}

    @property
    def name(self) -> str:
        """The signal's name; empty when there was none."""
        return self._signal.name if self._signal is not None else ""

    @contextmanager
    def calling(self, call: Callable[[], object]) -> Iterator[None]:
        """Has a signal, also one that came already, call back instead of raising; afterwards the run is settled."""
        self._call = call
        if self._signal is not None:
            call()
        try:
            yield
        finally:
            self._settled = True
            self._call = None

    def settle(self) -> None:
        """From here on the run is being recorded, and must not be disturbed."""
        self._settled = True

    def wait(self, seconds: float) -> None:
        """Waits so long, but no longer once a signal comes; any thread may."""
        deadline, known = time.monotonic() + seconds, self._signal
        while self._signal is known and (left := deadline - time.monotonic()) > 0:
            # A handler of signals must not wake others up: the lock for that may be held by whom it interrupts.
            time.sleep(min(left, _LOOK_SECONDS))

    def ask(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Asks the run to end, as a signal does."""
        self._signal = self._signal or by
        if self._call is not None:
            self._call()

    def _received(self, number: int, _: FrameType | None) -> None:
        self.ask(signal.Signals(number))
        if self._call is None and not self._settled:
            self.raised = RunInterrupted(f"the run was ended from outside ({self.name}) before the notebook started")
            raise self.raised
