"""The DAGs of a catalogue: one for each notebook, and one for any notebook by id."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable

from daybook.catalogue import Catalogue, Notebook
from daybook.contract.errors import Fault, InvalidSettings
from daybook.contract.keys import AIRFLOW_TASK, DAG_TAG, RUN_NOTEBOOK_DAG
from daybook.on_airflow.assets import notebook_asset
from daybook.on_airflow.giving_up import end_given_up
from daybook.on_airflow.operator import NotebookOperator
from daybook.on_airflow.params import params_of, request_params
from daybook.on_airflow.policy import is_in_force
from daybook.on_airflow.settings import Settings
from daybook.workspaces import Workspaces

ONCE = "@once"
"""Airflow's word for a single run; it is no cron expression."""

RETRY_DELAY = timedelta(seconds=30)
"""Between two attempts: long enough for a node or a store to come back."""

_LOG = logging.getLogger(__name__)

_LAST_GOOD = "the last good workspaces stay in force until the file is mended"

_ANY_RUNS = 64
"""How many runs of `run_notebook` may be active at once."""


def catalogue_dags() -> dict[str, DAG]:
    """Every DAG by its id, for the global names of a DAG file.

    An entry whose DAG Airflow would not take is left out here and named by `refuse_broken_entries`.

    Raises:
        InvalidSettings: Daybook's environment is not set up, or its workspaces are not as they must be.
    """
    settings = Settings.from_environment(os.environ)
    catalogue, workspaces = settings.load_catalogue(), settings.load_workspaces()
    dags, _ = _notebook_dags(catalogue, workspaces)
    return {**dags, RUN_NOTEBOOK_DAG: run_notebook_dag(catalogue, workspaces)}


def refuse_broken_entries() -> None:
    """Names every catalogue entry that cannot be run, as an import error of the file that calls this.

    So is what is wrong with `workspaces.yaml` while its last good content stays in force. The other entries' DAGs come
    from another file and stay usable.

    Raises:
        InvalidSettings: there are broken entries, or the workspaces are; file, line and reason of each are named.
    """
    if not is_in_force():
        _LOG.warning("no workspace's runs are counted: airflow_local_settings.py does not import Daybook's hook")
    settings = Settings.from_environment(os.environ)
    catalogue = settings.load_catalogue()
    broken = [Fault(entry.place, f"{entry.id}: {entry.reason}") for entry in catalogue.broken]
    in_force = settings.workspaces_in_force()
    _, refused = _notebook_dags(catalogue, in_force.workspaces)
    stale = [Fault(str(fault), _LAST_GOOD) for fault in in_force.fault.faults] if in_force.fault else []
    if broken or refused or stale:
        raise InvalidSettings(
            "broken catalogue entries (the others can be run)",
            [*stale, *broken, *refused],
        )


def _notebook_dags(catalogue: Catalogue, workspaces: Workspaces) -> tuple[dict[str, DAG], list[Fault]]:
    dags: dict[str, DAG] = {}
    faults: list[Fault] = []
    for notebook in catalogue.notebooks.values():
        try:
            dag = notebook_dag(notebook, workspaces)
            dag.validate()  # type: ignore[no-untyped-call] # Airflow's own
        except Exception as error:  # noqa: BLE001 - whatever Airflow dislikes of one entry must not harm the others
            text = " ".join(str(error).split()) or type(error).__name__
            faults.append(Fault(notebook.defined_in or notebook.source, f"{notebook.id}: {text}"))
        else:
            dags[notebook.id] = dag
    return dags, faults


def notebook_dag(notebook: Notebook, workspaces: Workspaces) -> DAG:
    """The DAG of one notebook; its trigger form is the notebook's inputs.

    Raises:
        InvalidRequest: the entry names a workspace that there is not.
        Exception: whatever Airflow raises for what it does not take (a tag that is too long, an asset's address).
    """
    workspaces.get(notebook.default_workspace)
    schedule = notebook.schedule
    dag = DAG(
        dag_id=notebook.id,
        dag_display_name=notebook.title,
        description=notebook.description or notebook.title,
        doc_md=notebook.markdown or None,
        params=params_of(notebook, [each.name for each in workspaces]),
        schedule=_schedule(notebook),
        start_date=_start(notebook),
        catchup=bool(schedule and schedule.catch_up),
        max_active_runs=schedule.max_active_runs if schedule else notebook.max_active_runs,
        tags={DAG_TAG, *notebook.tags, *notebook.collections},
        default_args={"owner": notebook.owner or "daybook"},
        on_failure_callback=end_given_up,
        # Scheduled notebooks begin when they are put into the catalogue; nobody has to find a switch first.
        is_paused_upon_creation=False,
        auto_register=False,  # a DAG file holds what it names, not what was built while it was read
    )
    with dag:
        NotebookOperator(
            task_id=AIRFLOW_TASK,
            notebook=notebook,
            parameters_from="form",
            retries=notebook.run.retries,
            retry_delay=RETRY_DELAY,
        )
    return dag


def run_notebook_dag(catalogue: Catalogue, workspaces: Workspaces) -> DAG:
    """The DAG that runs any notebook: `conf = {"notebook": id, "parameters": {…}, "workspace": name}`."""
    dag = DAG(
        dag_id=RUN_NOTEBOOK_DAG,
        dag_display_name="Run a notebook",
        description="Runs any notebook of the catalogue by its id.",
        params=request_params(catalogue.notebooks, [each.name for each in workspaces]),
        schedule=None,
        max_active_runs=_ANY_RUNS,
        on_failure_callback=end_given_up,
        tags={DAG_TAG},
        is_paused_upon_creation=False,
        auto_register=False,
    )
    with dag:
        NotebookOperator(task_id=AIRFLOW_TASK, notebook="{{ params.notebook }}", parameters_from="request")
    return dag


def _schedule(notebook: Notebook) -> Any:
    schedule = notebook.schedule
    if schedule is None:
        return None
    if schedule.cron == ONCE:
        return ONCE
    if schedule.cron is not None:
        return CronDataIntervalTimetable(schedule.cron, timezone=schedule.timezone)
    return [Asset(uri=each) if "://" in each else notebook_asset(each) for each in schedule.assets or ()]


def _start(notebook: Notebook) -> datetime | None:
    start = notebook.schedule.start_date if notebook.schedule else None
    return datetime.fromisoformat(start).replace(tzinfo=UTC) if start else None
