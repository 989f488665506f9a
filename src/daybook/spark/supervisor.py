"""Watches over a Spark server: says when it is ready, ends it when it is idle, and when it does not answer any more.

It is the parent of the server's Java process and what the pod's end is told by: exit code 0 means that the server was
not needed any more, another one that it failed; the last line says why.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from daybook.contract.errors import ExitCode
from daybook.spark.asking import NoAnswer

ASK_SECONDS = 10.0
"""Between two questions whether a server that is ready still answers, and whether it is used."""
STARTING_SECONDS = 0.5
"""The same while it starts."""
ANSWER_SECONDS = 30.0
"""How long an answer may take: a full garbage collection of a large heap does."""
UNREADY_ANSWERS = 2
"""So many in a row missed, and no further clients are sent to it. One alone may be a garbage collection that took a bit
longer, and a server that is not ready is dropped from its Service, for the clients that it has, too."""
MISSED_ANSWERS = 4
"""So many in a row missed, two minutes and more, and the server is ended: its clients' queries hang, too."""
END_SECONDS = 20.0
"""Between SIGTERM and SIGKILL for Java."""


class Ask(Protocol):
    """Returns once the server has answered a query."""

    def ask(self, seconds: float, *, computed: bool = False) -> None:
        """Raises `NoAnswer` where it has not within so many seconds; what is computed waits for others' tasks."""


@dataclass(frozen=True)
class Patience:
    """How long what may take, in seconds.

    Attributes:
        start: until the first answer.
        idle: without clients and jobs.
        ask: between two questions.
        answer: until an answer.
    """

    start: float
    idle: float
    ask: float = ASK_SECONDS
    answer: float = ANSWER_SECONDS


class Supervisor:
    """Follows one server from its start to its end.

    Args:
        process: Java's.
        asking: asks it a query.
        is_used: whether it has clients or jobs.
        ready: the file that is there while it answers.
        patience: how long what may take.
        say: tells the pod's log.
        since_sent: the seconds since a run was last sent here, whose client comes when its pod has started.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        asking: Ask,
        is_used: Callable[[], bool],
        ready: Path,
        patience: Patience,
        say: Callable[[str], None],
        since_sent: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._process = process
        self._asking = asking
        self._is_used = is_used
        self._ready = ready
        self._patience = patience
        self._say = say
        self._since_sent = since_sent
        self._told_to_end = threading.Event()

    def end(self) -> None:
        """Has the server ended as if nobody needed it any more: SIGTERM means that. Fit for a signal's handler."""
        self._told_to_end.set()

    def run(self) -> ExitCode:
        """Returns when the server has ended, with what its pod is to end with."""
        try:
            return self._started() or self._followed()
        finally:
            self._ready.unlink(missing_ok=True)
            self._end_java()

    def _started(self) -> ExitCode | None:
        """Waits for the first answer; None once it is there."""
        began, why = time.monotonic(), "it has not been asked yet"
        while not self._told_to_end.is_set():
            if self._process.poll() is not None:
                return self._died()
            left = began + self._patience.start - time.monotonic()
            if left <= 0:
                return self._failed(f"it gave no answer within {self._patience.start:.0f} s: {why}")
            try:
                self._asking.ask(min(left, self._patience.answer), computed=True)  # nobody else has tasks yet
            except NoAnswer as error:
                why = str(error)
                self._told_to_end.wait(STARTING_SECONDS)
                continue
            self._ready.touch()
            self._say(f"The Spark server answers, {time.monotonic() - began:.1f} s after its start")
            return None
        return self._over("it was told to end before it was ready")

    def _followed(self) -> ExitCode:
        used_at, missed, closed, reopened = time.monotonic(), 0, False, False
        while not self._told_to_end.wait(self._patience.ask):
            if self._process.poll() is not None:
                return self._died()
            now = time.monotonic()
            if self._is_used():
                used_at, reopened = now, False
            elif closed and not reopened:
                used_at, reopened = self._with_sent(used_at, now), True
            idle = now - used_at > self._patience.idle
            if idle and closed:
                return self._over(f"nobody has used it for {self._patience.idle / 60:g} minutes")
            if idle:
                # Not at once: first no further run is sent here, then those that were a moment ago are looked for.
                self._ready.unlink(missing_ok=True)
            elif closed and missed < UNREADY_ANSWERS:
                self._ready.touch()
            closed = idle
            missed = self._missed(missed, closed)
            if missed >= MISSED_ANSWERS:
                return self._failed(f"it has not answered {missed} queries in a row")
        return self._over("it was told to end")

    def _with_sent(self, used_at: float, now: float) -> float:
        """When it was last used, where it counts as use, too, that a run was sent to it.

        Not again before somebody has come: a run may be sent to a server that it cannot reach, and so may the next.
        """
        sent = self._since_sent()
        return used_at if sent is None else max(used_at, now - sent)

    def _missed(self, before: int, closed: bool) -> int:
        """Asks; how many answers in a row were missed, this one included."""
        try:
            self._asking.ask(self._patience.answer)
        except NoAnswer as error:
            missed = before + 1
            if missed >= UNREADY_ANSWERS:
                self._ready.unlink(missing_ok=True)
            self._say(f"The Spark server does not answer ({missed} of {MISSED_ANSWERS}): {error}")
            return missed
        if before and not closed:
            self._ready.touch()
        return 0

    def _died(self) -> ExitCode:
        code = self._process.returncode
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return self._failed(f"its Java ended with {how}; the lines before say why")

    def _failed(self, why: str) -> ExitCode:
        self._end_java()  # first, so that what it says at its end stands before the reason
        self._say(f"The Spark server failed: {why}")
        return ExitCode.INFRASTRUCTURE_FAILED

    def _over(self, why: str) -> ExitCode:
        self._say(f"The Spark server ends: {why}")
        return ExitCode.SUCCEEDED

    def _end_java(self) -> None:
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
