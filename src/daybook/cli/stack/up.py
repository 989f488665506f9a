"""`daybook up`: what is missing of the stack is started, and everything is waited for."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from daybook.cli.stack import airflow, kubeconfig, local_workspace, preflight, state
from daybook.cli.stack.components import (
    AIRFLOW_COMPONENTS,
    SPARK,
    Component,
    components,
    migration,
    spark_environment,
)
from daybook.cli.stack.lock import exclusive
from daybook.cli.stack.ports import Ports, choose_ports, require_free
from daybook.cli.stack.processes import (
    ProcessRecord,
    component_of,
    delete_record,
    end,
    members,
    session_members,
    start,
)
from daybook.cli.stack.project import Project
from daybook.cli.stack.readiness import Readiness, answers, asked
from daybook.contract.errors import Fault, InfrastructureFailed, InvalidSettings

START_SECONDS = 300.0
"""How long the stack may take to start: on a busy two-core machine Airflow alone was seen to take 95 s."""

_POLL_SECONDS = 0.1
_END_SECONDS = 10.0
_REMAINS_SECONDS = 2.0
"""What is left of a killed component has nobody to work for; idle Airflow workers do not even heed SIGTERM."""
_LOG_LINES = 15


@dataclass(frozen=True)
class Watch:
    """Who hears how the start goes: a line when something happened, and what is awaited now."""

    say: Callable[[str], None]
    awaiting: Callable[[str, str | None], None]


@dataclass(frozen=True)
class Outcome:
    """What `up` did.

    Attributes:
        started: names of the components that were started now; empty when everything was up.
        new_password: the admin's password was minted just now, so it is to be shown once.
    """

    ports: Ports
    started: tuple[str, ...]
    new_password: bool
    seconds: float


def up(
    project: Project,
    given_ports: Mapping[str, int | None],
    environment: Mapping[str, str],
    watch: Watch,
    start_seconds: float = START_SECONDS,
) -> Outcome:
    """Starts what is not running and waits until everything works; what runs already is left alone.

    Raises:
        InvalidSettings: something the stack needs is missing or wrong; nothing was started.
        InfrastructureFailed: a component did not start; those that this call had started are ended again.
    """
    began = time.monotonic()
    project.make_folders()
    with exclusive(project.lock, watch.say), httpx.Client(trust_env=False) as client, ExitStack() as on_exit:
        running = state.alive(project)
        ports = _ports(project, given_ports, running)
        readiness = on_exit.enter_context(
            closing(Readiness(airflow.api_url(ports), lambda: airflow.admin(project), client))
        )
        parts = components(project, ports, environment, readiness)
        missing = tuple(part for part in parts if part.name not in running)
        new_password = False
        if missing:
            _require_startable(project, missing, environment)
            new_password = _prepare(project, ports)
        launch = Launch(project, watch, start_seconds)
        with launch.undone_on_failure():
            launch.bring_up(parts, missing, running, migration(project, ports, environment))
        names = tuple(part.name for part in missing)
        return Outcome(ports, names, new_password, time.monotonic() - began)


def _ports(
    project: Project, given: Mapping[str, int | None], running: Mapping[str, tuple[ProcessRecord, psutil.Process]]
) -> Ports:
    last = state.remembered(project).get("ports", {})
    ports = choose_ports(given, last)
    if running and ports != choose_ports({}, last):
        raise InvalidSettings(
            "cannot change the ports",
            [Fault("stack", f"it is up ({', '.join(running)}); run `daybook down` first, then `daybook up` again")],
        )
    return ports


def _require_startable(project: Project, missing: Sequence[Component], environment: Mapping[str, str]) -> None:
    preflight.require_environments(project)
    if any(part.name == SPARK for part in missing):
        preflight.require_java(project, spark_environment(environment))
    _end_remains(project, {part.name for part in missing})
    require_free({name: port for part in missing for name, port in part.ports.items()})


def _end_remains(project: Project, names: set[str]) -> None:
    """Ends what a killed component left behind: its children may still hold its port."""
    sessions = [process.pid for _, process in state.alive(project).values()]
    in_use = {process.pid for session in sessions for process in session_members(session)}
    remains = [each for each in members(project.state, ()) if each.pid not in in_use and component_of(each) in names]
    end(remains, _REMAINS_SECONDS)


def _prepare(project: Project, ports: Ports) -> bool:
    """Writes all files that the components read; true when the admin's password is new."""
    try:
        airflow.write_configuration(project, ports)
        kubeconfig.write_kubeconfig(project, ports)
        kubeconfig.write_images(project)
        local_workspace.write_workspaces(project, ports)
        state.remember(project, ports)
        return airflow.write_admin_password(project)
    except OSError as error:
        fault = Fault(str(error.filename or project.state), error.strerror or str(error))
        raise InvalidSettings("cannot keep the stack's state", [fault]) from error


class Launch:
    """One start of the stack: starts processes, waits for them, and can undo what it did."""

    def __init__(self, project: Project, watch: Watch, start_seconds: float) -> None:
        self._project = project
        self._watch = watch
        self._until = time.monotonic() + start_seconds
        self._seconds = start_seconds
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._stop = threading.Event()

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Ends what was started in the body when the body fails, also by Ctrl-C."""
        try:
            yield
        except BaseException:
            self._stop.set()
            if self._started:
                self._watch.say("ending what was started")
            for name, popen in self._started.items():
                end(session_members(popen.pid), _END_SECONDS)
                popen.wait()
                delete_record(self._project.records, name)
            raise

    def bring_up(
        self,
        parts: Sequence[Component],
        missing: Sequence[Component],
        running: Mapping[str, tuple[ProcessRecord, psutil.Process]],
        migrate: Component,
    ) -> None:
        """Starts the missing components and waits for all; what does not need the database starts before it is."""
        names = {part.name for part in missing}
        with ThreadPoolExecutor(max_workers=len(parts)) as pool:
            waiting: list[Future[None]] = []
            try:
                for part in parts:
                    if part.name in AIRFLOW_COMPONENTS and part.name in names:
                        self._migrate_once(migrate)
                    record = self._start(part) if part.name in names else running[part.name][0]
                    waiting.append(pool.submit(self._await, part, record))
                done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._stop.set()
                raise
            self._stop.set()
        for each in done:
            each.result()

    def _start(self, part: Component) -> ProcessRecord:
        self._started[part.name], record = part.start(self._project)
        return record

    def _migrate_once(self, migrate: Component) -> None:
        if not airflow.needs_migration(self._project):
            return
        self._watch.awaiting(migrate.name, "preparing Airflow's database")
        popen = start(migrate.command, migrate.environment, migrate.log, self._project.state)
        self._started[migrate.name] = popen
        try:
            code = popen.wait(max(0.0, self._until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise self._too_slow(migrate.name, "it has not ended", migrate.log) from None
        if code != 0:
            raise _died(migrate.name, code, migrate.log)
        del self._started[migrate.name]
        airflow.stamp_migration(self._project)
        self._watch.awaiting(migrate.name, None)
        self._watch.say("Airflow's database is ready")

    def _await(self, part: Component, record: ProcessRecord) -> None:
        """Waits until a component works; one that was running before is asked no more than whether it answers."""
        began = time.monotonic()
        popen = self._started.get(part.name)
        while not self._stop.is_set():
            if popen is None and record.port is not None and answers(record.port):
                return
            missing = asked(part.ready, record)
            if missing is None:
                self._watch.awaiting(part.name, None)
                if popen is not None:
                    self._watch.say(f"{part.name} is up ({time.monotonic() - began:.1f} s)")
                return
            self._watch.awaiting(part.name, missing)
            self._require_alive(part, record, popen)
            if time.monotonic() > self._until:
                raise self._too_slow(part.name, missing, part.log)
            self._stop.wait(_POLL_SECONDS)

    def _require_alive(self, part: Component, record: ProcessRecord, popen: subprocess.Popen[bytes] | None) -> None:
        if popen is not None and popen.poll() is not None:
            raise _died(part.name, popen.returncode, part.log)
        if popen is None and not psutil.pid_exists(record.pid):
            raise _died(part.name, None, part.log)

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
