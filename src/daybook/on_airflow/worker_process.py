"""The runner as a child process of the worker: what it is given, how its log is told, how it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import psutil

from daybook.contract.errors import ExitCode, InfrastructureFailed
from daybook.contract.manifest import Reason, State
from daybook.contract.request import RunRequest
from daybook.contract.variables import ATTEMPT_VARIABLE, SPARK_REMOTE_VARIABLE
from daybook.pods import GRACE_SECONDS, Ending
from daybook.runner.child import Told
from daybook.workspaces import Workspace

PASSED_ON = ("HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "JUPYTER_PATH", "DAYBOOK_STACK")
"""What the runner and its kernel get of the worker's environment, beside PATH and LC_…; all else may hold a secret of
Airflow's. `DAYBOOK_STACK` is the mark by which `daybook down` finds what it has to end."""

DEADLINE_MARGIN_SECONDS = 300.0
"""How much longer than its run a runner may live, as a pod may: kernel start, upload and seal fit into it."""

_LINE_BYTES = 64 * 1024
"""A longer line is told in pieces."""


@dataclass(frozen=True)
class Child:
    """What a runner is started with.

    Attributes:
        python: of the environment that holds it.
        environment: all of its variables; the kernel gets them too.
        told: what only the runner itself gets.
        deadline_seconds: when it is killed; None for never.
    """

    python: Path
    environment: Mapping[str, str]
    told: Told
    deadline_seconds: float | None

    @classmethod
    def of(
        cls,
        request: RunRequest,
        workspace: Workspace,
        store: Mapping[str, str],
        worker: Mapping[str, str],
        notebooks: Path | None,
    ) -> Child:
        """The child that executes an attempt.

        Args:
            request: what to execute.
            workspace: where; gives variables that are no secret.
            store: variables with the bucket's credentials.
            worker: the worker's own environment.
            notebooks: the virtual environment that holds the runner; None for the worker's own.
        """
        python = notebooks / "bin" / "python" if notebooks else Path(sys.executable)
        passed_on = {name: value for name, value in worker.items() if name in PASSED_ON or name.startswith("LC_")}
        limit = request.limits.timeout_seconds
        return cls(
            python=python,
            environment={
                **passed_on,
                "PATH": f"{python.parent}{os.pathsep}{worker.get('PATH', os.defpath)}",
                **workspace.store_environment,
                **workspace.environment,
                **_spark(workspace),
                ATTEMPT_VARIABLE: f"{request.run_id}.{request.attempt}",
            },
            told=Told(request.to_json(), store),
            deadline_seconds=None if limit is None else limit + DEADLINE_MARGIN_SECONDS,
        )


def _spark(workspace: Workspace) -> dict[str, str]:
    """A server that asks for no token; one that lies in a Secret only a pod is given."""
    spark = workspace.spark
    if spark is None or spark.remote is None or spark.token is not None:
        return {}
    return {SPARK_REMOTE_VARIABLE: spark.remote}


class RunnerProcess:
    """A runner in a session of its own; a context manager that ends it.

    It outlives this process for as long as it takes to seal its record: where this one is killed outright, the end of
    its standard input tells it.
    """

    def __init__(self, child: Child) -> None:
        """Starts it.

        Raises:
            InfrastructureFailed: it cannot be started.
        """
        self._child = child
        self._last: deque[str] = deque(maxlen=1)
        self._overdue = False
        try:
            self._process = subprocess.Popen(
                (str(child.python), "-m", "daybook.runner.child"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(child.environment),
                cwd=tempfile.gettempdir(),
                start_new_session=True,
            )
        except OSError as error:
            raise InfrastructureFailed(f"cannot start the runner: {child.python}: {error.strerror}") from error
        self._stdin, self._stdout = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)

    def follow(self, say: Callable[[str], None]) -> Ending:
        """Has it work, tells its log line by line, and says how it ended, to seal with what it did not seal itself."""
        with self._deadline():
            with suppress(BrokenPipeError):  # it has ended, and its last line says why
                self._stdin.write(self._child.told.to_line())
                self._stdin.flush()
            for line in iter(lambda: self._stdout.readline(_LINE_BYTES), b""):
                text = line.decode(errors="replace").rstrip()
                self._last.append(text or (self._last[0] if self._last else ""))
                say(text)
            code = self._process.wait()
        if code < 0:
            self._kill()  # it could not end what it had started
        return self._ending(code)

    def ask_to_end(self) -> None:
        """Asks it to seal what there is and end; safe within a signal handler, and again is fine."""
        self._process.terminate()

    def close(self) -> None:
        """Ends it, with the grace to seal, if it still runs; again is fine."""
        if self._process.poll() is None:
            self.ask_to_end()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
            self._kill()
            self._process.wait()
        for pipe in (self._stdin, self._stdout):
            with suppress(BrokenPipeError):
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        seconds = self._child.deadline_seconds
        if seconds is None:
            yield
            return
        timer = threading.Timer(seconds, self._too_late)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _too_late(self) -> None:
        self._overdue = True
        self._kill()

    def _kill(self) -> None:
        """Kills it and all that it started, which may have left its session."""
        mark = self._child.environment[ATTEMPT_VARIABLE]
        for process in _marked(mark):
            with suppress(psutil.Error):
                process.kill()
        with suppress(ProcessLookupError):
            self._process.kill()

    def _ending(self, code: int) -> Ending:
        last = self._last[0] if self._last else "it said nothing"
        if self._overdue:
            message = "the runner went on longer than its run may take, and was killed"
            return Ending(State.FAILED, Reason.DEADLINE_EXCEEDED, message)
        if code == ExitCode.INVALID_REQUEST:
            return Ending(State.FAILED, Reason.INVALID_REQUEST, f"the runner refused the request: {last}")
        if code == ExitCode.INFRASTRUCTURE_FAILED:
            return Ending(State.FAILED, Reason.STORE_FAILED, f"the runner could not leave its record: {last}")
        if code in (ExitCode.INTERRUPTED, -signal.SIGTERM):
            return Ending(State.INTERRUPTED, Reason.TERMINATED, "the runner was ended before it could seal its record")
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return Ending(State.LOST, Reason.NEVER_SEALED, f"the runner {how} and sealed no manifest: {last}")


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(ATTEMPT_VARIABLE) == mark:
                yield process
