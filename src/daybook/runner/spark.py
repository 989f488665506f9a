"""What a notebook tells of its Spark: how far it is while it runs, and what is left of it when its kernel is gone."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from daybook.contract.manifest import MAX_SPARK_OPERATIONS, SparkOperation, SparkProgress, SparkRecord
from daybook.contract.variables import SPARK_REMOTE_VARIABLE

LOOK_SECONDS = 1.0
"""Between two looks at what the notebook has told; the record is written no more often."""
END_SECONDS = 20.0
"""How long ending the sessions of a dead kernel may take: a process loads gRPC, and the server answers."""
MAX_SESSIONS = 100
"""So many sessions of one notebook are ended; others end when their server has heard nothing of them for a while."""


class SparkStory:
    """The events of kind `spark…`, in the order they were told; what is not as it must be is passed over."""

    def __init__(self) -> None:
        self._application = SparkRecord()
        self._seen = False
        self._operations: deque[SparkOperation] = deque(maxlen=MAX_SPARK_OPERATIONS)
        self._count = 0
        self._progress: tuple[str, SparkProgress] | None = None
        self._running: dict[str, SparkOperation] = {}
        self.sessions: dict[str, str | None] = {}
        """Sessions that nobody has ended yet, and whose they are."""

    def take(self, event: Mapping[str, Any]) -> None:
        """Takes one event in; those of other kinds are none of its business."""
        takes = {
            "spark": self._take_application,
            "spark_session": self._take_session,
            "spark_session_ended": lambda ended: self.sessions.pop(str(ended.get("session_id")), None),
            "spark_progress": self._take_progress,
            "spark_operation": self._take_operation,
        }.get(str(event.get("kind")))
        if takes is not None:
            try:
                takes(event)
            except (ValidationError, LookupError, ValueError, TypeError, OverflowError, OSError):
                return  # written by somebody else, into a file that is the notebook's
            self._seen = True

    def record(self, *, running: bool) -> SparkRecord | None:
        """What the manifest says; None where there was no Spark.

        Args:
            running: whether the run goes on: then it says how far it is, and the list comes later.
        """
        if not self._seen:
            return None
        found: dict[str, Any] = {"operation_count": self._count}
        if running:
            found["progress"] = self._progress[1] if self._progress is not None else None
        else:
            # Nobody has told the ends of those that still run: they ended with their kernel.
            found["operations"] = (*self._operations, *self._running.values())[-MAX_SPARK_OPERATIONS:]
            found["operation_count"] += len(self._running)
        return self._application.model_copy(update=found)

    def _take_application(self, event: Mapping[str, Any]) -> None:
        names = ("remote", "application_id", "version", "ui")
        self._application = SparkRecord(**{name: event.get(name) for name in names})

    def _take_session(self, event: Mapping[str, Any]) -> None:
        if len(self.sessions) < MAX_SESSIONS:
            user = event.get("user_id")
            self.sessions[str(event["session_id"])] = None if user is None else str(user)

    def _take_progress(self, event: Mapping[str, Any]) -> None:
        known = {name: event[name] for name in SparkProgress.model_fields if name in event}
        self._progress = str(event["id"]), SparkProgress(**known)
        # What has no tasks may be no query at all: a listener of streams, say, is an operation without an end.
        if self._progress[1].tasks and (event["id"] in self._running or len(self._running) < MAX_SPARK_OPERATIONS):
            self._running[event["id"]] = _operation_of({**event, "state": "failed"})

    def _take_operation(self, event: Mapping[str, Any]) -> None:
        operation = _operation_of(event)
        self._operations.append(operation)
        self._count += 1
        self._running.pop(operation.id, None)
        if self._progress is not None and self._progress[0] == operation.id:
            self._progress = None


def _operation_of(event: Mapping[str, Any]) -> SparkOperation:
    known = {name: event[name] for name in SparkOperation.model_fields if name in event}
    began = datetime.fromtimestamp(float(event["started_at"]), UTC).isoformat(timespec="milliseconds")
    return SparkOperation(**{**known, "started_at": began})


class SparkFollower:
    """Reads what the notebook tells of its Spark while the kernel lives, from a thread of its own.

    Args:
        path: the file that the notebook writes to; it need not be there yet.
        changed: called, from that thread, when the record of Spark has changed.
    """

    def __init__(self, path: Path, changed: Callable[[SparkRecord | None], None]) -> None:
        self._path = path
        self._changed = changed
        self._read = 0
        self._rest = b""
        self._record: SparkRecord | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="spark-follower", daemon=True)
        self.story = SparkStory()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _follow(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._look()
            record = self.story.record(running=True)
            if record != self._record:
                self._record = record
                self._changed(record)

    def _look(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except OSError:
            return  # nothing was told yet
        self._read += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if b'"spark' in line:
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return  # the end of the run tells of such lines
        if isinstance(event, dict):
            self.story.take(event)


def end_sessions(
    sessions: Mapping[str, str | None], environment: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Ends the sessions that a dead kernel has left on its server, and the operations that they run.

    Args:
        sessions: by id, and whose they are.
        environment: the kernel's, which has the server's address and key.
        say: takes a line for the log.
    """
    if not sessions or not environment.get(SPARK_REMOTE_VARIABLE):
        return
    told = "".join(json.dumps({"session_id": one, "user_id": user}) + "\n" for one, user in sessions.items())
    try:
        # In a process of its own, which can be ended: a server that hangs must not hold up the record.
        done = subprocess.run(
            [sys.executable, "-m", "daybook.spark", "release"],
            input=told,
            capture_output=True,
            text=True,
            env=dict(environment),
            timeout=END_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"what the notebook left running on its Spark server ends by itself in some minutes: {error}")
        return
    last = (done.stdout + done.stderr).strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    say(f"Spark: {last[0]}")
