"""`daybook down`: the stack ends in an order that loses no run, and leaves no process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import httpx

from daybook.cli.stack import airflow, state
from daybook.cli.stack.components import (
    ALL_COMPONENTS,
    API_SERVER,
    DAG_PROCESSOR,
    LOCALPODS,
    SCHEDULER,
    SPARK,
    TRIGGERER,
    components,
)
from daybook.cli.stack.lock import exclusive
from daybook.cli.stack.pod_processes import pod_processes
from daybook.cli.stack.ports import choose_ports
from daybook.cli.stack.processes import (
    delete_record,
    end,
    family,
    marked,
)
from daybook.cli.stack.project import Project
from daybook.cli.stack.readiness import Readiness, asked
from daybook.cli.stack.worker_runs import runners, worker_run_processes
from daybook.contract.errors import InfrastructureFailed
from daybook.localpods.client import end_all, unfinished_pods

_GRACE_SECONDS = 10.0
"""Airflow's API server would wait two minutes for browsers that keep their connections open."""
_ADOPT_SECONDS = 30.0
_PODS_SECONDS = 90.0
"""Longer than the grace that pods of notebooks are given to save what they have; runs in the worker get as much."""
_POLL_SECONDS = 0.1

_FIRST = (SCHEDULER, TRIGGERER, DAG_PROCESSOR)
"""These start pods and report on them, so they end before the pods: queued runs then wait for the next `up`."""
_LAST = (API_SERVER, LOCALPODS, SPARK)


@dataclass(frozen=True)
class Outcome:
    """What `down` did.

    Attributes:
        ended: names of the components that were running.
        interrupted_pods: how many running pods were ended with them.
        killed: how many processes did not end by SIGTERM.
    """

    ended: tuple[str, ...]
    interrupted_pods: int
    killed: int
    seconds: float


def down(project: Project, environment: Mapping[str, str], say: Callable[[str], None]) -> Outcome:
    """Ends the stack; when it is down already, does nothing.

    Raises:
        InfrastructureFailed: something of it could not be ended.
    """
    began = time.monotonic()
    if not project.state.is_dir():
        return Outcome((), 0, 0, 0.0)
    with exclusive(project.lock, say):
        running = tuple(state.alive(project))
        killed = _end_components(project, _FIRST)
        killed += len(end(runners(worker_run_processes(project)), _PODS_SECONDS))
        with ExitStack() as helpers:
            interrupted = _interrupt_pods(project, environment, say, helpers)
            killed += _end_components(project, _LAST)
            killed += _end_leftovers(project)
        for name in ALL_COMPONENTS:
            delete_record(project.records, name)
    return Outcome(running, interrupted, killed, time.monotonic() - began)


def _end_components(project: Project, names: Sequence[str]) -> int:
    found = state.alive(project)
    # A kernel that ends with the runner above it would make a failure of what is an interruption.
    spared = worker_run_processes(project)
    processes = [each for name in names if name in found for each in family(found[name][1])]
    return len(end([each for each in processes if each.pid not in spared], _GRACE_SECONDS))


def _interrupt_pods(
    project: Project, environment: Mapping[str, str], say: Callable[[str], None], helpers: ExitStack
) -> int:
    """Ends running pods through localpods, which is started for it when it has crashed and left pods behind."""
    if LOCALPODS not in state.alive(project) and not pod_processes(project):
        return 0
    with httpx.Client(trust_env=False) as client:
        try:
            url, token = _localpods_up(project, environment, client, helpers), project.pods_token.read_text().strip()
            if running := unfinished_pods(url, token):
                say(f"interrupting {', '.join(running)}: each saves what it has, and its run is sealed as interrupted")
            return len(end_all(url, token, _PODS_SECONDS))
        except (InfrastructureFailed, OSError) as error:
            # Not a reason to leave anything running; whoever reads the runs next sees that they were never sealed.
            say(f"the pods are killed, for they cannot be ended in order: {error}")
            return len(end(pod_processes(project), 0.0))


def _localpods_up(project: Project, environment: Mapping[str, str], client: httpx.Client, helpers: ExitStack) -> str:
    """The address of the running localpods, started if need be; then `helpers` collects its end."""
    ports = choose_ports({}, state.remembered(project).get("ports", {}))
    readiness = Readiness(airflow.api_url(ports), lambda: ("", ""), client)
    part = next(each for each in components(project, ports, environment, readiness) if each.name == LOCALPODS)
    found = state.alive(project).get(LOCALPODS)
    if found:
        record = found[0]
    else:
        process, record = part.start(project)
        helpers.callback(process.wait)
    until = time.monotonic() + _ADOPT_SECONDS
    while (missing := asked(part.ready, record)) is not None:
        if time.monotonic() > until or LOCALPODS not in state.alive(project):
            raise InfrastructureFailed(f"localpods does not work ({missing}); its log: {part.log}")
        time.sleep(_POLL_SECONDS)
    return str(part.url)


def _end_leftovers(project: Project) -> int:
    """What is still there: children that outlived a killed parent, and pods that localpods could not end.

    Raises:
        InfrastructureFailed: something is there even then.
    """
    killed = len(end([*marked(project.state), *pod_processes(project)], _GRACE_SECONDS))
    left = [*marked(project.state), *pod_processes(project)]
    if left:
        names = ", ".join(str(process.pid) for process in left)
        raise InfrastructureFailed(f"these processes of the stack do not end, even by SIGKILL: {names}")
    return killed
