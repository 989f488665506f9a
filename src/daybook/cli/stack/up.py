"""`daybook up`: what is missing of the stack is started, and everything is waited for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from daybook.cli.stack import airflow, kubeconfig, local_workspace, preflight, state
from daybook.cli.stack.components import (
    SPARK,
    Component,
    components,
    migration,
    spark_archive,
    spark_environment,
)
from daybook.cli.stack.launch import Launch, Watch
from daybook.cli.stack.lock import exclusive
from daybook.cli.stack.overrides import take_overrides
from daybook.cli.stack.ports import Ports, choose_ports, require_free
from daybook.cli.stack.processes import ProcessRecord, end, start
from daybook.cli.stack.project import Project
from daybook.cli.stack.readiness import Readiness
from daybook.contract.errors import Fault, InvalidSettings

START_SECONDS = 300.0
"""How long the stack may take to start: on a busy two-core machine Airflow alone was seen to take 95 s."""

_REMAINS_SECONDS = 2.0
"""What is left of a killed component has nobody to work for; idle Airflow workers do not even heed SIGTERM."""


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
    airflow_config: Path | None = None,
) -> Outcome:
    """Starts what is not running and waits until everything works; what runs already is left alone.

    Args:
        airflow_config: options of Airflow that win over the stack's; kept for later starts.

    Raises:
        InvalidSettings: something the stack needs is missing or wrong; nothing was started.
        InfrastructureFailed: a component did not start; those that this call had started are ended again.
    """
    began = time.monotonic()
    project.make_folders()
    with exclusive(project.lock, watch.say), httpx.Client(trust_env=False) as client, ExitStack() as on_exit:
        running = {name: record for name, (record, _) in state.alive(project).items()}
        ports = _ports(project, given_ports, running)
        take_overrides(project, airflow_config, running)
        readiness = on_exit.enter_context(
            closing(Readiness(airflow.api_url(ports), lambda: airflow.admin(project), client))
        )
        parts = components(project, ports, environment, readiness)
        missing = tuple(part for part in parts if part.name not in running)
        new_password = False
        if missing:
            _require_startable(project, missing, environment)
            new_password = _prepare(project, ports, environment)
        Launch(project, watch, start_seconds).bring_up(parts, running, migration(project, ports, environment))
        names = tuple(part.name for part in missing)
        if SPARK in names:
            _prepare_next_start(project, environment)
        return Outcome(ports, names, new_password, time.monotonic() - began)


def _prepare_next_start(project: Project, environment: Mapping[str, str]) -> None:
    """Has Spark's classes archived in the background, once for an environment; `down` ends it like everything else."""
    part = spark_archive(project, environment)
    start(part.command, part.environment, part.log, project.state)


def _ports(project: Project, given: Mapping[str, int | None], running: Mapping[str, ProcessRecord]) -> Ports:
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
    end(state.remains(project), _REMAINS_SECONDS)  # their children may still hold the ports
    require_free({name: port for part in missing for name, port in part.ports.items()})


def _prepare(project: Project, ports: Ports, environment: Mapping[str, str]) -> bool:
    """Writes all files that the components read; true when the admin's password is new."""
    try:
        airflow.write_configuration(project, ports)
        kubeconfig.write_kubeconfig(project, ports)
        kubeconfig.write_images(project, environment)
        local_workspace.write_workspaces(project, ports)
        state.remember(project, ports)
        return airflow.write_admin_password(project)
    except OSError as error:
        fault = Fault(str(error.filename or project.state), error.strerror or str(error))
        raise InvalidSettings("cannot keep the stack's state", [fault]) from error
