"""Runs that Airflow knows and that have no record yet: they wait for Airflow, or for their pod."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from daybook.catalogue import Catalogue, Notebook
from daybook.cli.airflow_api import AirflowApi, DagRun
from daybook.cli.cancelling import sealed, wait_until_watched
from daybook.cli.finding import Found, find_run, one_of
from daybook.cli.settings import Settings, run_page
from daybook.cli.terminal import Terminal
from daybook.contract import keys
from daybook.contract.errors import DaybookError, Fault, InvalidRequest
from daybook.contract.manifest import Manifest, State
from daybook.contract.request import AirflowCoordinates
from daybook.storage import RunRecord, record_of
from daybook.workspaces import Workspace

_NEVER_BEGAN = "skipped"
"""What becomes of a task that had not begun when its DAG run was ended; one that had counts as failed."""
_LATE_SECONDS = 15.0
"""How long the record of a run is waited for that had begun, without one, when it was cancelled."""
_LOOK_SECONDS = 0.3


@dataclass(frozen=True)
class Waiting:
    """A run without a record; the record's place is known already."""

    run_id: str
    notebook: str
    workspace: Workspace
    record: RunRecord
    dag_run: DagRun

    @property
    def where(self) -> AirflowCoordinates:
        """Its task."""
        return AirflowCoordinates(
            dag_id=self.dag_run.dag_id, run_id=self.dag_run.run_id, task_id=keys.AIRFLOW_TASK, map_index=-1
        )

    @property
    def state(self) -> State | None:
        """Queued; None for one that Airflow has ended, of which nothing more is known."""
        return None if self.dag_run.finished else State.QUEUED


def look_up(settings: Settings, text: str) -> Found | Waiting:
    """The one run that a text means: one that has a record, else one that Airflow knows of.

    Raises:
        InvalidRequest: no run fits, or several do; they are named.
        StoreFailed: a workspace's bucket does not answer.
    """
    found = find_run(settings, text)
    if found is not None:
        return found
    try:
        with AirflowApi(settings.api()) as api:
            dag_runs = [*api.find(text), *api.unfinished()]
    except DaybookError as error:
        message = f"fits no run that has a record; of others only Airflow knows, and that cannot be asked: {error}"
        raise InvalidRequest("no such run", [Fault(text, message)]) from error
    fitting = {
        waiting[0]: waiting
        for waiting in _ours(dag_runs, settings.load_catalogue())
        if _fits(text, waiting[0], waiting[2])
    }
    if not fitting:
        raise InvalidRequest("no such run", [Fault(text, "fits no run; `daybook runs` lists them")])
    return _waiting(settings, *fitting[one_of(list(fitting), text)])


def _ours(dag_runs: list[DagRun], catalogue: Catalogue) -> Iterator[tuple[str, Notebook, DagRun]]:
    """The DAG runs that stand for a run of a notebook: those of DAGs that Daybook makes."""
    for dag_run in dag_runs:
        named = dag_run.conf.get("notebook") if dag_run.dag_id == keys.RUN_NOTEBOOK_DAG else dag_run.dag_id
        notebook = catalogue.notebooks.get(str(named))
        if notebook is not None:
            yield keys.airflow_run_id(notebook.id, dag_run.run_after, dag_run.dag_id, dag_run.run_id), notebook, dag_run


def _fits(text: str, run_id: str, dag_run: DagRun) -> bool:
    return text == dag_run.run_id or run_id.startswith(text) or run_id.endswith(text)


def _waiting(settings: Settings, run_id: str, notebook: Notebook, dag_run: DagRun) -> Waiting:
    name = dag_run.conf.get("workspace") or notebook.default_workspace
    workspace = settings.load_workspaces().get(name)
    return Waiting(run_id, notebook.id, workspace, record_of(settings.open_bucket(workspace), run_id), dag_run)


def cancel_waiting(
    api: AirflowApi, waiting: Waiting, wait_seconds: float, say: Callable[[str], None]
) -> Manifest | None:
    """Ends a run that has no record.

    Returns:
        The sealed record, where the run began at that moment; None for one that never began.

    Raises:
        InvalidRequest: it is over.
        InfrastructureFailed: Airflow does not answer, or the run began and did not end in time.
    """
    where = waiting.where
    if waiting.dag_run.finished:
        raise InvalidRequest(f"run {waiting.run_id} is over: Airflow says {waiting.dag_run.state}")
    wait_until_watched(api, where)
    api.fail(where.dag_id, where.run_id)
    say(f"asked Airflow to end {waiting.run_id}")
    began = wait_seconds and api.task_state(where.dag_id, where.run_id, where.task_id) != _NEVER_BEGAN
    until = time.monotonic() + (min(wait_seconds, _LATE_SECONDS) if began else 0)
    while waiting.record.read() is None:
        if time.monotonic() >= until:
            return None
        time.sleep(_LOOK_SECONDS)
    return sealed(waiting.record, waiting.run_id, wait_seconds) if wait_seconds else waiting.record.read()


def show_waiting(settings: Settings, waiting: Waiting, terminal: Terminal) -> None:
    """A run without a record, as it is."""
    state = waiting.state
    head = (
        f"{waiting.notebook} {state}"
        if state
        else f"{waiting.notebook} ended in Airflow ({waiting.dag_run.state}) and has no record"
    )
    _show(settings, waiting, terminal, state, head)


def show_cancelled(settings: Settings, waiting: Waiting, terminal: Terminal) -> None:
    """A run that was ended before it had a record."""
    head = f"{waiting.notebook} {State.INTERRUPTED}: cancelled before it began"
    _show(settings, waiting, terminal, State.INTERRUPTED, head)


def _show(settings: Settings, waiting: Waiting, terminal: Terminal, state: State | None, head: str) -> None:
    page = run_page(settings.public_url(), waiting.workspace.name, waiting.run_id)
    document: dict[str, Any] = {
        "run_id": waiting.run_id,
        "workspace": waiting.workspace.name,
        "state": state,
        "sealed": False,
        "page": page,
        "airflow": waiting.where.model_dump(mode="json"),
    }
    terminal.document(document)
    terminal.line(head, style="bold")
    where = f"{waiting.dag_run.state}: {waiting.dag_run.dag_id}, {waiting.dag_run.run_id}"
    for name, value in (
        ("run", waiting.run_id),
        ("workspace", waiting.workspace.name),
        ("Airflow", where),
        ("page", page),
    ):
        terminal.line(f"  {name:<11} {value}")
