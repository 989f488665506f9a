"""Tells a workspace's bucket how its Spark server is, for the pages and for people at the command line.

A thread of its own writes, so that a bucket which is slow or away holds up nobody; the newest state counts, and what
was not written in time is not written at all. Nothing here ends a server.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daybook.contract.errors import DaybookError, ExitCode
from daybook.contract.spark_pod import SPARK_PORT, SPARK_UI_PORT, SparkPod, in_url
from daybook.contract.spark_state import TELL_SECONDS, SparkServerState, SparkState
from daybook.spark.activity import Activity
from daybook.storage import Store, open_store
from daybook.storage.spark_states import (
    forget_old_spark_states,
    forget_spark_state,
    sent_to_spark,
    tell_spark_state,
)

END_SECONDS = 10.0
"""How long the last word of a server that ends may take."""


class Announcing:
    """What one server says of itself, from its start to its end.

    Args:
        store: the workspace's bucket; None where it cannot be opened, and so nothing is told.
        pod: the server.
        address: where it listens.
        ready: the file that is there while it answers.
        say: tells the pod's log, once, when the bucket does not take it.
    """

    def __init__(
        self, store: Store | None, pod: SparkPod, address: str, ready: Path, say: Callable[[str], None]
    ) -> None:
        host = in_url(address)
        began = _now()
        self._store = store
        self._say = say
        self._ready = ready
        self._state = SparkServerState(
            name=pod.name,
            workspace=pod.server.workspace,
            state=SparkState.STARTS,
            started_at=began,
            told_at=began,
            size=pod.server.size,
            remote=f"sc://{host}:{SPARK_PORT}",
            ui=f"http://{host}:{SPARK_UI_PORT}",
        )
        self._last_line = ""
        self._complained = False
        self._changed = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._work, name="announcing", daemon=True)
        self._changed.set()
        self._thread.start()

    @classmethod
    def of(
        cls, pod: SparkPod, address: str, ready: Path, environment: Mapping[str, str], say: Callable[[str], None]
    ) -> Announcing:
        """Tells the bucket that the pod was given, with the pod's own credentials."""
        try:
            store = open_store(pod.server.bucket.url, environment)
        except DaybookError as error:
            say(f"The pages are not told of this server: {error}")
            store = None
        return cls(store, pod, address, ready, say)

    def hear(self, line: str) -> None:
        """A line of the pod's log, passed on; the last one says why a server failed, the first one that it answers."""
        self._last_line = line
        self._say(line)
        if self._state.state is SparkState.STARTS:
            self.looked(None)

    def looked(self, sessions: int | None) -> None:
        """It has so many open sessions, or as many as before where that is None; whether it answers its mark says."""
        if self._ready.exists():
            self._tell(state=SparkState.ANSWERS, sessions=self._state.sessions if sessions is None else sessions)

    def looking(self, activity: Activity) -> Callable[[], bool]:
        """Whether it is used, as its supervisor asks from time to time; each time its sessions are counted, too."""

        def is_used() -> bool:
            self.looked(activity.sessions())
            return activity.is_used()

        return is_used

    def since_sent(self) -> float | None:
        """The seconds since a run was last sent here; None where none was, or the bucket does not tell."""
        if self._store is None:
            return None
        try:
            sent = sent_to_spark(self._store, self._state.name)
        except DaybookError as error:
            self._say(f"The bucket does not tell whether a run is on its way: {error}")
            return None
        return None if sent is None else max(0.0, (_now() - sent).total_seconds())

    def ended(self, code: ExitCode) -> None:
        """It has ended: one that was not needed any more is forgotten, one that failed says why."""
        if code is not ExitCode.SUCCEEDED:
            self._tell(state=SparkState.FAILED, why=self._last_line, sessions=None)
        self._over = True
        self._changed.set()
        self._thread.join(END_SECONDS)

    def refused(self, why: str) -> None:
        """It was never started; whoever is told why by an error says that in the pod's log."""
        self._last_line = why
        self.ended(ExitCode.INVALID_REQUEST)

    def _tell(self, **changes: Any) -> None:
        changed = self._state.model_copy(update=changes)
        if changed != self._state:
            self._state = changed
            self._changed.set()

    def _work(self) -> None:
        self._write(lambda store: forget_old_spark_states(store, _now()))
        while not self._over or self._changed.is_set():
            self._changed.wait(TELL_SECONDS)
            self._changed.clear()
            state = self._state.model_copy(update={"told_at": _now()})
            if self._over and state.state is not SparkState.FAILED:
                self._write(lambda store: forget_spark_state(store, self._state.name))
            else:
                self._write(lambda store, state=state: tell_spark_state(store, state))  # type: ignore[misc]

    def _write(self, write: Callable[[Store], None]) -> None:
        if self._store is None:
            return
        with suppress(RuntimeError):  # the interpreter is being taken down
            try:
                write(self._store)
            except DaybookError as error:
                if not self._complained:
                    self._say(f"The pages are not told of this server: {error}")
                self._complained = True


def _now() -> datetime:
    return datetime.now(UTC)
