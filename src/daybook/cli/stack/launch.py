"""One start of the stack: processes are started, waited for, and ended again when one of them fails."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from daybook.cli.stack import airflow, state
from daybook.cli.stack.airflow_launcher import AirflowLauncher
from daybook.cli.stack.components import API_SERVER, SCHEDULER, Component
from daybook.cli.stack.processes import ProcessRecord, delete_record, end, family, start
from daybook.cli.stack.project import Project
from daybook.cli.stack.readiness import answers, asked
from daybook.contract.errors import InfrastructureFailed

_POLL_SECONDS = 0.1
_END_SECONDS = 10.0
_LOG_LINES = 15


@dataclass(frozen=True)
class Watch:
    """Who hears how the start goes: a line when something happened, and what is awaited now."""

    say: Callable[[str], None]
    awaiting: Callable[[str, str | None], None]


@dataclass(frozen=True)
class Started:
    """A process of this start, and how to learn its exit code: None while it runs."""

    pid: int
    exit_code: Callable[[], int | None]


class Launch:
    """Starts what is missing of the stack, or nothing of it: what was started ends again when something fails.

    Args:
        watch: hears how it goes.
        start_seconds: how long all of it may take.
        launcher: starts Airflow's components.

    Attributes:
        started: the processes of this start, by component.
    """

    def __init__(
        self,
        project: Project,
        watch: Watch,
        start_seconds: float,
        launcher: Callable[[Project, Path, Mapping[str, str]], AirflowLauncher] = AirflowLauncher,
    ) -> None:
        self._project = project
        self._launcher = launcher
        self._watch = watch
        self._seconds = start_seconds
        self._until = time.monotonic() + start_seconds
        self.started: dict[str, Started] = {}
        self._stop = threading.Event()
        self._waiting: dict[str, Future[None]] = {}

    def bring_up(
        self,
        parts: Sequence[Component],
        running: Mapping[str, ProcessRecord],
        migrate: Component,
    ) -> None:
        """Starts what is not running and waits for everything.

        Args:
            parts: the whole stack.
            running: the records of what runs already, by name.
            migrate: prepares Airflow's database; only when needed, while the rest starts.

        Raises:
            InfrastructureFailed: something did not start.
        """
        missing = [part for part in parts if part.name not in running]
        with self._undone_on_failure(), ThreadPoolExecutor(max_workers=len(parts)) as pool, self._stopping():
            for part in parts:
                if part.name in running:
                    self._waiting[part.name] = pool.submit(self._look, part, running[part.name])
            for part in missing:
                if not part.arguments:
                    popen, record = part.start(self._project)
                    self.started[part.name] = Started(popen.pid, popen.poll)
                    self._waiting[part.name] = pool.submit(self._await, part, record)
            self._bring_up_airflow([part for part in missing if part.arguments], migrate, pool)

    def _bring_up_airflow(self, parts: Sequence[Component], migrate: Component, pool: ThreadPoolExecutor) -> None:
        if not parts:
            self._wait()
            return
        python = self._project.airflow_environment / "bin" / "python"
        with self._launcher(self._project, python, parts[0].environment) as launcher:
            if airflow.needs_migration(self._project):
                self._migrate(migrate)  # the launcher imports meanwhile
            for part in sorted(parts, key=lambda each: each.name == SCHEDULER):
                if part.name == SCHEDULER:
                    # It starts tasks at once, and a task that finds no API server counts as failed.
                    self._wait_for(API_SERVER)
                record = launcher.start(part)
                self.started[part.name] = Started(record.pid, partial(launcher.exit_code, part.name))
                self._waiting[part.name] = pool.submit(self._await, part, record)
            self._wait()

    def _wait_for(self, name: str) -> None:
        """Waits until one component works; raises when another one fails meanwhile."""
        while name in self._waiting and not self._waiting[name].done():
            left = [each for each in self._waiting.values() if not each.done()]
            for each in wait(left, return_when=FIRST_COMPLETED).done:
                each.result()

    def _wait(self) -> None:
        for each in wait(self._waiting.values(), return_when=FIRST_EXCEPTION).done:
            each.result()

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._stop.set()

    @contextmanager
    def _undone_on_failure(self) -> Iterator[None]:
        """Ends what was started in the body when the body fails, also by Ctrl-C."""
        try:
            yield
        except BaseException:
            if self.started:
                self._watch.say("ending what was started")
            for name, started in self.started.items():
                with suppress(psutil.NoSuchProcess):
                    end(family(psutil.Process(started.pid)), _END_SECONDS)
                started.exit_code()
                delete_record(self._project.records, name)
            # Ctrl-C may have come between the start of a process and the note of it.
            end(state.remains(self._project), _END_SECONDS)
            raise

    def _migrate(self, migrate: Component) -> None:
        self._watch.awaiting(migrate.name, "preparing Airflow's database")
        popen = start(migrate.command, migrate.environment, migrate.log, self._project.state)
        self.started[migrate.name] = Started(popen.pid, popen.poll)
        try:
            code = popen.wait(max(0.0, self._until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise self._too_slow(migrate.name, "it has not ended", migrate.log) from None
        if code != 0:
            raise _died(migrate.name, code, migrate.log)
        del self.started[migrate.name]
        airflow.stamp_migration(self._project)
        self._watch.awaiting(migrate.name, None)
        self._watch.say("Airflow's database is ready")

    def _await(self, part: Component, record: ProcessRecord) -> None:
        """Waits until a component that was started now works."""
        began = time.monotonic()
        started = self.started[part.name]
        self._until_ready(part, record, started.exit_code)
        if not self._stop.is_set():
            self._watch.say(f"{part.name} is up ({time.monotonic() - began:.1f} s)")

    def _look(self, part: Component, record: ProcessRecord) -> None:
        """Waits until a component that ran before answers; mostly it does at once."""
        if record.port is None or not answers(record.port):
            self._until_ready(part, record, lambda: None)

    def _until_ready(self, part: Component, record: ProcessRecord, exit_code: Callable[[], int | None]) -> None:
        while not self._stop.is_set():
            missing = asked(part.ready, record)
            if missing is None:
                break
            self._watch.awaiting(part.name, missing)
            if (code := exit_code()) is not None:
                raise _died(part.name, code, part.log)
            if not psutil.pid_exists(record.pid):
                raise _died(part.name, None, part.log)
            if time.monotonic() > self._until:
                raise self._too_slow(part.name, missing, part.log)
            self._stop.wait(_POLL_SECONDS)
        self._watch.awaiting(part.name, None)

    def _too_slow(self, name: str, missing: str, log: Path) -> InfrastructureFailed:
        return InfrastructureFailed(
            f"{name} is not up after {self._seconds:.0f} s: {missing}\n{_log_end(log)}\n"
            "if the machine is only slow, give it longer with --timeout"
        )


def _died(name: str, code: int | None, log: Path) -> InfrastructureFailed:
    how = "ended" if code is None else f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return InfrastructureFailed(f"{name} {how} while the stack was starting\n{_log_end(log)}")


def _log_end(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    except OSError as error:
        return f"its log {log} cannot be read: {error.strerror}"
    text = "".join(f"\n  | {line}" for line in lines) or " (empty)"
    return f"the end of its log {log}:{text}"
