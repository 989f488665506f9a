"""The local stack's Spark server on its own: how it is, starting it, stopping it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

import httpx

from daybook.cli.stack import airflow, local_workspace, preflight, state
from daybook.cli.stack.components import SPARK, Component, components, migration, spark_environment
from daybook.cli.stack.launch import Launch, Watch
from daybook.cli.stack.lock import exclusive
from daybook.cli.stack.ports import LOOPBACK, Ports, choose_ports, require_free
from daybook.cli.stack.processes import ProcessRecord, delete_record, end, family, memory_bytes
from daybook.cli.stack.project import Project
from daybook.cli.stack.readiness import Readiness, answers
from daybook.contract.errors import InfrastructureFailed, InvalidRequest
from daybook.spark.activity import open_sessions

START_SECONDS = 120.0
GRACE_SECONDS = 20.0
"""For sessions to be taken down; a killed server leaves nothing behind either, but says so to nobody."""


@dataclass(frozen=True)
class LocalServer:
    """The stack's server as it is now.

    Attributes:
        remote: where it is, or would be.
        ui: where its pages are.
        state: `answers`, `starts` or `down`; whether it answers is told by its port.
        started_at: ISO 8601, UTC.
        sessions: that are open; None where its pages do not tell.
        memory: bytes, of all its processes.
        log: what it says.
    """

    remote: str
    ui: str
    state: str
    log: str
    pid: int | None = None
    started_at: str | None = None
    sessions: int | None = None
    memory: int | None = None


def local_server(project: Project) -> LocalServer:
    """Looks at the server."""
    ports = _ports(project)
    remote, ui = local_workspace.spark_remote(ports), local_workspace.spark_ui(ports)
    log = str(project.logs / f"{SPARK}.log")
    found = state.alive(project).get(SPARK)
    if found is None:
        return LocalServer(remote, ui, "down", log)
    record, process = found
    port = record.port or ports.spark
    return LocalServer(
        remote=record.url or remote,
        ui=ui,
        state="answers" if answers(port) else "starts",
        log=log,
        pid=record.pid,
        started_at=record.started_at,
        sessions=open_sessions(LOOPBACK, ports.spark_ui),
        memory=memory_bytes(family(process)),
    )


def start_server(project: Project, environment: Mapping[str, str], watch: Watch) -> LocalServer:
    """Starts the server unless it runs, and waits until it answers a query.

    Raises:
        InvalidSettings: there is no Java, or a port is taken.
        InvalidRequest: the stack was never up, so nobody could reach the server.
        InfrastructureFailed: it does not start; the end of its log says why.
    """
    if not project.workspaces.exists():
        raise InvalidRequest("there is no local stack yet; `daybook up` starts all of it, Spark too")
    ports = _ports(project)
    with exclusive(project.lock, watch.say), httpx.Client(trust_env=False) as client:
        running = {name: record for name, (record, _) in state.alive(project).items()}
        with closing(Readiness(airflow.api_url(ports), lambda: ("", ""), client)) as readiness:
            part = _part(project, ports, environment, readiness)
            if SPARK not in running:
                preflight.require_java(project, spark_environment(environment))
                require_free(part.ports)
            Launch(project, watch, START_SECONDS).bring_up(
                [part], _only(running), migration(project, ports, environment)
            )
    return local_server(project)


def stop_server(project: Project, say: Callable[[str], None], force: bool) -> LocalServer:
    """Stops the server; one that does not run is fine.

    Raises:
        InvalidRequest: sessions are open, or nobody can tell whether some are, and would fail.
        InfrastructureFailed: it cannot be ended.
    """
    with exclusive(project.lock, say):
        before = local_server(project)
        if not force:
            _require_unused(before)
        found = state.alive(project).get(SPARK)
        if found is not None:
            end(family(found[1]), GRACE_SECONDS)
            if SPARK in state.alive(project):
                raise InfrastructureFailed(f"the Spark server does not end: process {found[0].pid}")
        delete_record(project.records, SPARK)
    return before


def _require_unused(server: LocalServer) -> None:
    if server.sessions:
        raise InvalidRequest(f"sessions are open ({server.sessions}), and would fail; stop it with --force")
    if server.state == "answers" and server.sessions is None:
        raise InvalidRequest(
            f"its pages ({server.ui}) do not tell whether sessions are open, which would fail; stop it with --force"
        )


def _ports(project: Project) -> Ports:
    return choose_ports({}, state.remembered(project).get("ports", {}))


def _part(project: Project, ports: Ports, environment: Mapping[str, str], readiness: Readiness) -> Component:
    return next(each for each in components(project, ports, environment, readiness) if each.name == SPARK)


def _only(running: Mapping[str, ProcessRecord]) -> dict[str, ProcessRecord]:
    return {SPARK: running[SPARK]} if SPARK in running else {}
