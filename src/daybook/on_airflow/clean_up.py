"""The DAG `clean_up`: a task for each workspace that sweeps it (room `retention`)."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError

from daybook.contract.errors import DaybookError, InfrastructureFailed
from daybook.contract.keys import CLEAN_UP_DAG
from daybook.contract.request import AirflowCoordinates
from daybook.on_airflow.errors import as_airflow
from daybook.on_airflow.settings import Settings
from daybook.retention.abandoned import EVERYTHING, RECENT
from daybook.retention.cluster import Cluster
from daybook.retention.report import Report
from daybook.retention.sweep import Place, sweep
from daybook.workspaces import Workspace

SCHEDULE = "17 * * * *"
"""Hourly, at no full hour, when everybody's DAGs start."""

WHOLE_HOUR = 3
"""The hour (UTC) whose run applies retention and looks for abandoned runs of any age; so does one that a person asks
for. The others look where an abandoned run usually is."""

SWEEP_SECONDS = 6 * 3600
AT_ONCE = 4
"""How many workspaces are swept at a time."""

KUBERNETES = "kubernetes_default"
"""The connection that `NotebookOperator` uses unless told otherwise."""

_ASKED_AT_ONCE = 50
"""DAG runs in one question to Airflow: they travel in a URL."""

_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})

log = logging.getLogger(__name__)


def clean_up_dag() -> DAG:
    """The DAG; who may trigger it is Airflow's own permission."""
    dag = DAG(
        dag_id=CLEAN_UP_DAG,
        dag_display_name="Clean up",
        description="Seals abandoned runs, removes orphan pods and Secrets, applies the workspaces' retention.",
        params={
            "dry_run": Param(False, type="boolean", title="Dry run", description="Only tell what would be done."),
            "workspace": Param(None, type=["string", "null"], title="Workspace", description="Only this one."),
        },
        schedule=CronTriggerTimetable(SCHEDULE, timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        tags={"daybook"},
        default_args={"owner": "daybook"},
        is_paused_upon_creation=False,
        auto_register=False,
    )
    with dag:
        sweep_workspace.expand(name=list_workspaces())
    return dag


@task(task_id="workspaces")
def list_workspaces() -> list[str]:
    """The names of the workspaces that are to be swept.

    Raises:
        AirflowFailException: there is no such workspace, or `workspaces.yaml` is not as it must be.
    """
    only = get_current_context()["params"]["workspace"]
    try:
        workspaces = Settings.from_environment(os.environ).load_workspaces()
        return [workspaces.get(only).name] if only is not None else [each.name for each in workspaces]
    except DaybookError as error:
        raise as_airflow(error) from error


@task(
    task_id="sweep",
    map_index_template="{{ workspace_name }}",
    max_active_tis_per_dagrun=AT_ONCE,
    execution_timeout=timedelta(seconds=SWEEP_SECONDS),
)
def sweep_workspace(name: str) -> dict[str, Any]:
    """Sweeps one workspace; what it did stands in the log, the sums are its XCom.

    Raises:
        AirflowException: something could not be done; the rest was.
    """
    context = get_current_context()
    context["workspace_name"] = name  # type: ignore[typeddict-unknown-key] # for the template above
    try:
        report = swept(name, bool(context["params"]["dry_run"]), is_whole(context["dag_run"]), context["ti"])
    except DaybookError as error:
        raise as_airflow(error) from error
    log.info("%s", report.summary())
    if report.failures:
        context["ti"].xcom_push(key="return_value", value=report.document())
        raise AirflowException(f"workspace {name} could not be cleaned up: " + "; ".join(report.failures))
    return report.document()


def is_whole(dag_run: Any) -> bool:
    """Whether this DAG run does everything, or what is done each hour."""
    run_type = str(getattr(dag_run.run_type, "value", dag_run.run_type))
    return run_type != "scheduled" or dag_run.run_after.astimezone(UTC).hour == WHOLE_HOUR


def swept(name: str, dry_run: bool, whole: bool, ti: Any) -> Report:
    """Sweeps a workspace with what this task can reach.

    Args:
        name: the workspace's.
        dry_run: only tells.
        whole: everything, or what is done each hour.
        ti: this task's instance; by it other tasks' states are asked.

    Raises:
        DaybookError: not even begun: the settings are wrong or the bucket cannot be opened.
    """
    settings = Settings.from_environment(os.environ)
    workspace = settings.load_workspaces().get(name)
    place = Place(workspace, settings.open_bucket(workspace), cluster_of(workspace))
    report = Report(name, dry_run, say=lambda line: log.info("%s", line))

    def airflow(tasks: Sequence[AirflowCoordinates]) -> set[AirflowCoordinates]:
        return under_way(ti, tasks)

    sweep(place, airflow, EVERYTHING if whole else RECENT, whole, report, datetime.now(UTC))
    return report


def cluster_of(workspace: Workspace) -> Cluster | None:
    """The workspace's part of the cluster; None where its runs have no pods."""
    from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

    if workspace.runs_in == "worker":
        return None
    return Cluster(lambda: KubernetesHook(conn_id=KUBERNETES).core_v1_client, workspace.namespace, workspace.name)


def under_way(ti: Any, tasks: Sequence[AirflowCoordinates]) -> set[AirflowCoordinates]:
    """Of tasks, those whose instance has not ended: it waits, runs, is deferred, or is to be tried again.

    Raises:
        InfrastructureFailed: Airflow does not tell.
    """
    by_task: dict[tuple[str, str], list[AirflowCoordinates]] = defaultdict(list)
    for each in tasks:
        by_task[each.dag_id, each.task_id].append(each)
    found: set[AirflowCoordinates] = set()
    for (dag_id, task_id), some in by_task.items():
        for start in range(0, len(some), _ASKED_AT_ONCE):
            part = some[start : start + _ASKED_AT_ONCE]
            runs = sorted({each.run_id for each in part})
            try:
                states = ti.get_task_states(dag_id=dag_id, task_ids=[task_id], run_ids=runs)
            except AirflowRuntimeError as error:
                raise InfrastructureFailed(f"Airflow does not tell the states of DAG {dag_id}: {error}") from error
            found.update(each for each in part if _is_under_way(states, each))
    return found


def _is_under_way(states: dict[str, Any], coordinates: AirflowCoordinates) -> bool:
    """Airflow names a mapped task's instance `<task>_<map index>`, and one that is not there not at all."""
    mapped = "" if coordinates.map_index < 0 else f"_{coordinates.map_index}"
    of_run = states.get(coordinates.run_id, {})
    name = f"{coordinates.task_id}{mapped}"
    return name in of_run and str(of_run[name]) not in _ENDED
