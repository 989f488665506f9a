"""`daybook status`: what of the stack is there and works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import httpx
import psutil

from daybook.cli.stack import airflow, state
from daybook.cli.stack.components import SPARK, Component, components
from daybook.cli.stack.ports import choose_ports
from daybook.cli.stack.processes import ProcessRecord, family, memory_bytes, read_record
from daybook.cli.stack.project import Project
from daybook.cli.stack.readiness import Readiness, answers, asked
from daybook.contract.errors import DaybookError


class ComponentState(StrEnum):
    """How a component is."""

    UP = "up"
    NOT_READY = "not ready"
    CRASHED = "crashed"
    DOWN = "down"


@dataclass(frozen=True)
class ComponentStatus:
    """One component, as `status` shows it.

    Attributes:
        memory: bytes, of it and its children; shared pages are divided among those that share them where known.
        detail: what is awaited, for one that is not ready.
    """

    name: str
    state: ComponentState
    log: str
    pid: int | None = None
    memory: int | None = None
    port: int | None = None
    url: str | None = None
    started_at: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class StackStatus:
    """The whole stack."""

    components: tuple[ComponentStatus, ...]
    api_url: str

    @property
    def up(self) -> bool:
        """Whether every component works."""
        return all(part.state is ComponentState.UP for part in self.components)

    @property
    def memory(self) -> int:
        """Bytes, of all components."""
        return sum(part.memory or 0 for part in self.components)


def status(project: Project, environment: Mapping[str, str]) -> StackStatus:
    """Looks at every component: is its process there, does it answer, how much memory does it take."""
    ports = choose_ports({}, state.remembered(project).get("ports", {}))
    with httpx.Client(trust_env=False) as client:
        readiness = Readiness(airflow.api_url(ports), lambda: airflow.admin(project), client)
        parts = components(project, ports, environment, readiness)
        living = state.alive(project)
        return StackStatus(tuple(_look(project, part, living.get(part.name)) for part in parts), airflow.api_url(ports))


def _look(project: Project, part: Component, found: tuple[ProcessRecord, psutil.Process] | None) -> ComponentStatus:
    log = str(part.log)
    if found is None:
        crashed = read_record(project.records, part.name) is not None
        return ComponentStatus(part.name, ComponentState.CRASHED if crashed else ComponentState.DOWN, log)
    record, process = found
    missing = _missing(part, record)
    return ComponentStatus(
        name=part.name,
        state=ComponentState.UP if missing is None else ComponentState.NOT_READY,
        log=log,
        pid=record.pid,
        memory=memory_bytes(family(process)),
        port=record.port,
        url=record.url,
        started_at=record.started_at,
        detail=missing,
    )


def _missing(part: Component, record: ProcessRecord) -> str | None:
    if part.name == SPARK:  # a session of its own would cost seconds and a process for a look
        return None if record.port is not None and answers(record.port) else "its port is not open"
    try:
        return asked(part.ready, record)
    except DaybookError as error:
        return str(error)
