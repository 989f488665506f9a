"""The components of the stack: how each is started, and how one sees that it works."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from daybook.cli.stack import airflow, kubeconfig, local_workspace
from daybook.cli.stack.ports import Ports
from daybook.cli.stack.processes import (
    STACK_VARIABLE,
    ProcessRecord,
    start,
    write_record,
)
from daybook.cli.stack.project import Project
from daybook.cli.stack.readiness import Probe, Readiness

LOCALPODS = "localpods"
SPARK = "spark"
API_SERVER = "airflow-api-server"
SCHEDULER = "airflow-scheduler"
DAG_PROCESSOR = "airflow-dag-processor"
TRIGGERER = "airflow-triggerer"

AIRFLOW_COMPONENTS = (API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER)
"""In the order in which they are started: the one that takes longest first."""
ALL_COMPONENTS = (LOCALPODS, SPARK, *AIRFLOW_COMPONENTS)

_SPARK_SECONDS = 600
"""How long the check waits for the server; `up` itself gives up earlier."""

_SERVED_LOGS = "--skip-serve-logs"
"""Airflow's log servers listen on every interface and cannot be told otherwise. They serve workers on other machines;
here the API server reads the same files from disk."""


@dataclass(frozen=True)
class Component:
    """One part of the stack.

    Attributes:
        arguments: of the `airflow` command, for one of Airflow's; its launcher starts it.
        ports: those of `Ports` that it listens on, by name, main one first.
        ready: tells whether it does its work yet.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    ready: Probe
    ports: Mapping[str, int] = field(default_factory=dict)
    url: str | None = None
    arguments: tuple[str, ...] = ()

    def start(self, project: Project) -> tuple[subprocess.Popen[bytes], ProcessRecord]:
        """Starts it, in a session of its own, and keeps its record."""
        popen = start(self.command, self.environment, self.log, project.state)
        return popen, self.record(project, popen.pid)

    def record(self, project: Project, pid: int) -> ProcessRecord:
        """Makes and keeps the record of its process."""
        record = ProcessRecord(
            component=self.name,
            pid=pid,
            created=psutil.Process(pid).create_time(),
            started_at=datetime.now(UTC).isoformat(),
            command=self.command,
            log=str(self.log),
            port=next(iter(self.ports.values()), None),
            url=self.url,
        )
        write_record(project.records, record)
        return record


def components(
    project: Project, ports: Ports, environment: Mapping[str, str], readiness: Readiness
) -> tuple[Component, ...]:
    """All components, in the order in which they are started."""
    base = airflow.base_environment(environment)
    served = airflow.airflow_environment(project, ports, environment)
    return (
        _localpods(project, ports, base, readiness),
        _spark(project, ports, spark_environment(environment), readiness),
        *(_airflow(project, ports, served, name, readiness) for name in AIRFLOW_COMPONENTS),
    )


def migration(project: Project, ports: Ports, environment: Mapping[str, str]) -> Component:
    """Not a component that stays: prepares Airflow's database, then ends."""
    command = (*_airflow_command(project), "db", "migrate")
    served = airflow.airflow_environment(project, ports, environment)
    name = "airflow-db-migrate"
    return Component(name, command, _marked(served, project), _log(project, name), ready=_never)


def spark_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What Spark's processes get: the base, and where the user's Java is."""
    java = {name: environment[name] for name in ("JAVA_HOME",) if environment.get(name)}
    return airflow.base_environment(environment) | java


def spark_archive(project: Project, environment: Mapping[str, str]) -> Component:
    """Not a component that stays: prepares quicker starts of Spark while nothing else wants the processor."""
    python = str(project.notebook_environment / "bin" / "python")
    name = "spark-archive"
    return Component(
        name=name,
        command=(python, "-m", "daybook.spark", "archive", "--background"),
        environment=_marked(spark_environment(environment), project),
        log=_log(project, name),
        ready=_never,
    )


def _localpods(project: Project, ports: Ports, base: Mapping[str, str], readiness: Readiness) -> Component:
    command = (
        str(project.airflow_environment / "bin" / "python"),
        *("-m", "daybook.localpods"),
        *("--state", str(project.pods_state)),
        *("--port", str(ports.pods)),
        *("--images", str(project.images)),
        *("--token-file", str(project.pods_token)),
        *("--secrets", str(project.pod_secrets)),
    )
    url = kubeconfig.pods_url(ports)
    return Component(
        name=LOCALPODS,
        command=command,
        environment=_marked(base, project),
        log=_log(project, LOCALPODS),
        ready=readiness.localpods(url, project.pods_token),
        ports={"pods": ports.pods},
        url=url,
    )


def _spark(project: Project, ports: Ports, base: Mapping[str, str], readiness: Readiness) -> Component:
    python = str(project.notebook_environment / "bin" / "python")
    token_file = str(local_workspace.spark_token_file(project))
    command = (
        *(python, "-m", "daybook.spark", "serve"),
        *("--port", str(ports.spark)),
        *("--token-file", token_file),
        *("--state", str(project.state / "spark")),
        *("--ui-port", str(ports.spark_ui)),
    )
    check = (
        *(python, "-m", "daybook.spark", "check"),
        *("--remote", local_workspace.spark_remote(ports)),
        *("--token-file", token_file),
        *("--timeout", str(_SPARK_SECONDS)),
    )
    return Component(
        name=SPARK,
        command=command,
        environment=_marked(base, project),
        log=_log(project, SPARK),
        ready=readiness.spark(check, _marked(base, project)),
        ports={"spark": ports.spark, "spark_ui": ports.spark_ui},
        url=local_workspace.spark_remote(ports),
    )


def _airflow(project: Project, ports: Ports, served: Mapping[str, str], name: str, readiness: Readiness) -> Component:
    what = name.removeprefix("airflow-")
    arguments = (what, _SERVED_LOGS) if name in (SCHEDULER, TRIGGERER) else (what,)
    serves = name == API_SERVER
    return Component(
        name=name,
        command=(*_airflow_command(project), *arguments),
        arguments=arguments,
        environment=_marked(served, project),
        log=_log(project, name),
        ready=readiness.airflow(what),
        ports={"api": ports.api} if serves else {},
        url=airflow.api_url(ports) if serves else None,
    )


def _airflow_command(project: Project) -> tuple[str, ...]:
    # Not bin/airflow: its first line holds an absolute path, which breaks in a moved or very deep folder.
    return (str(project.airflow_environment / "bin" / "python"), "-m", "airflow")


def _marked(environment: Mapping[str, str], project: Project) -> dict[str, str]:
    return {**environment, STACK_VARIABLE: str(project.state)}


def _log(project: Project, name: str) -> Path:
    return project.logs / f"{name}.log"


def _never(_: ProcessRecord) -> str | None:
    return "it has not ended"
