"""The DAGs of a catalogue: one for each notebook, and one for any notebook by id."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable

from daybook.catalogue import Catalogue, Notebook
from daybook.contract.errors import Fault, InvalidSettings
from daybook.on_airflow.assets import notebook_asset
from daybook.on_airflow.operator import NotebookOperator
from daybook.on_airflow.params import params_of, request_params
from daybook.on_airflow.settings import Settings
from daybook.workspaces import Workspaces

RUN_NOTEBOOK = "run_notebook"
TASK = "run"
RETRY_DELAY = timedelta(seconds=30)
"""Between two attempts: long enough for a node or a store to come back."""

_ANY_RUNS = 64
"""How many runs of `run_notebook` may be active at once."""


def catalogue_dags() -> dict[str, DAG]:
    """Every DAG by its id, for the global names of a DAG file.

    Raises:
        InvalidSettings: Daybook's environment is not set up, or its workspaces are not as they must be.
    """
    settings = Settings.from_environment(os.environ)
    catalogue, workspaces = settings.load_catalogue(), settings.load_workspaces()
    dags = {notebook.id: notebook_dag(notebook, workspaces) for notebook in catalogue.notebooks.values()}
    return {**dags, RUN_NOTEBOOK: run_notebook_dag(catalogue, workspaces)}


def refuse_broken_entries() -> None:
    """Names every catalogue entry that cannot be run, as an import error of the file that calls this.

    The other entries' DAGs come from another file and stay usable.

    Raises:
        InvalidSettings: there are broken entries; file, line and reason of each are named.
    """
    broken = Settings.from_environment(os.environ).load_catalogue().broken
    if broken:
        faults = [Fault(entry.place, f"{entry.id}: {entry.reason}") for entry in broken]
        raise InvalidSettings("broken catalogue entries (the others can be run)", faults)


def notebook_dag(notebook: Notebook, workspaces: Workspaces) -> DAG:
    """The DAG of one notebook; its trigger form is the notebook's inputs."""
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
        tags={"daybook", *notebook.tags, *notebook.collections},
        default_args={"owner": notebook.owner or "daybook"},
        # Scheduled notebooks begin when they are put into the catalogue; nobody has to find a switch first.
        is_paused_upon_creation=False,
        render_template_as_native_obj=False,
    )
    with dag:
        NotebookOperator(
            task_id=TASK,
            notebook=notebook,
            parameters_from="form",
            retries=notebook.run.retries,
            retry_delay=RETRY_DELAY,
        )
    return dag


def run_notebook_dag(catalogue: Catalogue, workspaces: Workspaces) -> DAG:
    """The DAG that runs any notebook: `conf = {"notebook": id, "parameters": {…}, "workspace": name}`."""
    dag = DAG(
        dag_id=RUN_NOTEBOOK,
        dag_display_name="Run a notebook",
        description="Runs any notebook of the catalogue by its id.",
        params=request_params(catalogue.notebooks, [each.name for each in workspaces]),
        schedule=None,
        max_active_runs=_ANY_RUNS,
        tags={"daybook"},
        is_paused_upon_creation=False,
    )
    with dag:
        NotebookOperator(task_id=TASK, notebook="{{ params.notebook }}", parameters_from="request")
    return dag


def _schedule(notebook: Notebook) -> Any:
    schedule = notebook.schedule
    if schedule is None:
        return None
    if schedule.cron is not None:
        return CronDataIntervalTimetable(schedule.cron, timezone=schedule.timezone)
    return [Asset(uri=each) if "://" in each else notebook_asset(each) for each in schedule.assets or ()]


def _start(notebook: Notebook) -> datetime | None:
    start = notebook.schedule.start_date if notebook.schedule else None
    return datetime.fromisoformat(start).replace(tzinfo=UTC) if start else None
