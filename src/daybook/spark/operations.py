"""Follows the operations of a Spark Connect session, as they pass by on its channel: the queries and commands.

pyspark's own progress handlers tell of tasks only, and of no query that is quick; an interceptor sees every request and
every answer, of whichever thread. So each request gets the run's tags here too: pyspark keeps tags by thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import grpc

from daybook.contract.errors import InvalidRequest

_EXECUTE, _REATTACH, _RELEASE = "/ExecutePlan", "/ReattachExecute", "/ReleaseExecute"
_ON_THE_WAY = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
"""After these pyspark takes the same operation up again."""
FORKED = (
    "this process was forked from the notebook's, whose connection to Spark it cannot use. Ask Spark from threads, or "
    "start processes anew: multiprocessing.get_context('spawn'), joblib's loky"
)


@dataclass(frozen=True)
class Operation:
    """One query or command of a session, as far as it has come.

    Attributes:
        id: the server's.
        tags: those that its notebook gave it.
        started_at: seconds since 1970.
        seconds: since its start.
        state: `running`, `succeeded` or `failed`.
        stages: how many Spark has told of.
        tasks: of all these stages.
        tasks_done: of them.
        read_bytes: that its tasks have read.
        rows: that the notebook got.
        result_bytes: of them, as they were sent.
    """

    id: str
    tags: tuple[str, ...] = ()
    started_at: float = 0.0
    seconds: float = 0.0
    state: str = "running"
    stages: int = 0
    tasks: int = 0
    tasks_done: int = 0
    read_bytes: int = 0
    rows: int = 0
    result_bytes: int = 0


class Listener(Protocol):
    """Is told of operations; in the thread that runs them, so it must be quick and not raise."""

    def progressed(self, operation: Operation) -> None:
        """It goes on."""

    def ended(self, operation: Operation) -> None:
        """It is over, well or not."""


@dataclass
class _Followed:
    operation: Operation
    started: float
    is_broken: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class OperationWatch(grpc.UnaryStreamClientInterceptor, grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # no types
    """Tags and follows all operations of a notebook's channels.

    Args:
        tags: that every request is to have.
        listener: is told of them.
        met: is told of each session that runs something, and whose it is; now and then twice.
        clock: seconds that only grow.
        now: seconds since 1970.
    """

    def __init__(
        self,
        tags: Sequence[str],
        listener: Listener,
        met: Callable[[str, str | None], None] = lambda *_: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._tags = tuple(tags)
        self._listener = listener
        self._met = met
        self._process = os.getpid()
        self._clock = clock
        self._now = now
        self._followed: dict[str, _Followed] = {}

    def intercept_unary_stream(self, continuation: Any, call_details: Any, request: Any) -> Any:
        """gRPC's way of asking: the answers of an execution are looked at as they are read."""
        self._require_own_process()
        if call_details.method.endswith(_EXECUTE):
            self._met(request.session_id, request.user_context.user_id or None)
            missing = [tag for tag in self._tags if tag not in request.tags]
            request.tags.extend(missing)
            self._begin(request.operation_id, [tag for tag in request.tags if tag not in self._tags])
        elif not call_details.method.endswith(_REATTACH):
            return continuation(call_details, request)
        return _Answers(continuation(call_details, request), self, request.operation_id)

    def intercept_unary_unary(self, continuation: Any, call_details: Any, request: Any) -> Any:
        """Everything else passes; pyspark says here what it reads no further, be it that it has tried long enough."""
        self._require_own_process()
        if call_details.method.endswith(_RELEASE) and request.HasField("release_all"):
            self._let_go(request.operation_id)
        return continuation(call_details, request)

    def _require_own_process(self) -> None:
        if os.getpid() != self._process:
            raise InvalidRequest(FORKED)

    def answered(self, operation_id: str, answer: Any) -> None:
        """Takes note of one answer."""
        followed = self._followed.get(operation_id)
        if followed is None:
            return
        over = answer.HasField("result_complete")
        with followed.lock:
            changes = _told_by(answer, followed.operation)
            changes["seconds"] = self._clock() - followed.started
            if over:
                changes["state"] = "succeeded"
            operation = followed.operation = replace(followed.operation, **changes)
            followed.is_broken = False
        if over:
            self._end(operation)
        elif answer.HasField("execution_progress"):
            self._listener.progressed(operation)

    def failed(self, operation_id: str, code: Any) -> None:
        """The answers broke off; where pyspark takes the operation up again, so does this, until pyspark lets go."""
        followed = self._followed.get(operation_id)
        if followed is not None:
            followed.is_broken = True
            if code not in _ON_THE_WAY:
                self._let_go(operation_id)

    def _let_go(self, operation_id: str) -> None:
        """Whoever has read enough of an operation's rows has had what it wanted: only a broken one has failed."""
        followed = self._followed.get(operation_id)
        if followed is not None:
            state = "failed" if followed.is_broken else "succeeded"
            self._end(replace(followed.operation, state=state, seconds=self._clock() - followed.started))

    def _begin(self, operation_id: str, tags: Sequence[str]) -> None:
        operation = Operation(operation_id, tuple(sorted(tags)), self._now())
        self._followed.setdefault(operation_id, _Followed(operation, self._clock()))

    def _end(self, operation: Operation) -> None:
        if self._followed.pop(operation.id, None) is not None:
            self._listener.ended(operation)


class _Answers:
    """A call's answers, each shown to the watch as it is read; everything else is the call's own."""

    def __init__(self, call: Any, watch: OperationWatch, operation_id: str) -> None:
        self._call = call
        self._watch = watch
        self._operation_id = operation_id

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            answer = next(self._call)
        except grpc.RpcError as error:
            self._watch.failed(self._operation_id, error.code() if hasattr(error, "code") else None)
            raise
        except KeyboardInterrupt:  # pyspark ends the operation then
            self._watch.failed(self._operation_id, None)
            raise
        self._watch.answered(self._operation_id, answer)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


def _told_by(answer: Any, known: Operation) -> dict[str, Any]:
    """What one answer adds to what is known of its operation."""
    if answer.HasField("arrow_batch"):
        batch = answer.arrow_batch
        # A batch that comes in several pieces says its rows with each of them.
        rows = batch.row_count if batch.chunk_index == 0 else 0
        return {"rows": known.rows + rows, "result_bytes": known.result_bytes + len(batch.data)}
    if answer.HasField("execution_progress"):
        stages = answer.execution_progress.stages
        return {
            "stages": max(known.stages, len(stages)),
            "tasks": sum(stage.num_tasks for stage in stages),
            "tasks_done": sum(stage.num_completed_tasks for stage in stages),
            "read_bytes": sum(stage.input_bytes_read for stage in stages),
        }
    return {}
