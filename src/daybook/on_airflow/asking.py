"""What a task instance asks for: notebook, values and workspace, out of arguments, form, schedule or request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from daybook.catalogue import RUN_SETTINGS, WORKSPACE, Notebook
from daybook.contract.errors import InvalidRequest
from daybook.contract.manifest import Manifest, Reason
from daybook.contract.request import RunRequest
from daybook.on_airflow.admission import VOUCHER
from daybook.on_airflow.params import unknown_keys
from daybook.on_airflow.plan import UNATTENDED, choose_resources
from daybook.pods import Resources
from daybook.storage import RunRecord
from daybook.workspaces import Workspace

ParametersFrom = Literal["arguments", "form", "request"]


@dataclass(frozen=True)
class Asked:
    """What was asked for, not yet checked.

    Attributes:
        given: values by input name.
        workspace: the workspace's name; None where none was named.
        settings: those that were chosen for this run; see `Notebook.with_settings`.
    """

    given: dict[str, Any]
    workspace: str | None
    settings: object = None


@dataclass(frozen=True)
class PodPlan:
    """What the attempt's pod is made from."""

    request: RunRequest
    workspace: Workspace
    resources: Resources


def asked_for(context: Any, source: ParametersFrom, entry: Notebook, render: Callable[[str], Any]) -> Asked:
    """The values of a DAG run's form, schedule or request, and the workspace and settings if there are some.

    Args:
        context: Airflow's.
        source: which of them the DAG has.
        entry: the notebook's.
        render: renders a template of the entry's schedule.

    Raises:
        InvalidRequest: a request has names that mean nothing.
    """
    asked = {name: value for name, value in context["params"].items() if name != VOUCHER}
    if source == "request":
        refuse_unknown_keys(asked)
        return Asked(asked["parameters"], asked.get(WORKSPACE), asked.get(RUN_SETTINGS))
    run_type = context["dag_run"].run_type
    if entry.schedule and str(getattr(run_type, "value", run_type)) in UNATTENDED:
        # The form's defaults must not win over what the schedule says; what a backfill's conf says does.
        asked = {**entry.scheduled_parameters(render), **(context["dag_run"].conf or {})}
        asked.pop(VOUCHER, None)
    workspace, settings = asked.pop(WORKSPACE, None), asked.pop(RUN_SETTINGS, None)
    return Asked(asked, workspace, settings)


def refuse_unknown_keys(params: Mapping[str, Any]) -> None:
    """Refuses a request to `run_notebook` with names that mean nothing.

    Raises:
        InvalidRequest: names every one.
    """
    faults = unknown_keys(params)
    if faults:
        raise InvalidRequest("run_notebook cannot run this", faults)


def for_pod(workspace: Workspace, entry: Notebook) -> Workspace:
    """The workspace as this notebook's pod may see it."""
    run = entry.run
    spark = workspace.spark if run.spark else None
    databricks = workspace.databricks if run.is_on_databricks else None
    if databricks is not None:
        databricks = databricks.on_cluster(run.databricks_cluster)
    return workspace.model_copy(update={"spark": spark, "databricks": databricks})


def enough_memory(
    entry: Notebook, workspace: Workspace, record: RunRecord, earlier: Manifest | None
) -> tuple[Resources, bool]:
    """The next attempt's resources, and whether it has more memory than the last one had.

    Where the entry says so, each earlier attempt that ran out of memory doubles it.
    """
    resources, more = choose_resources(entry, workspace), False
    if earlier is None or not entry.run.retry_with_more_memory:
        return resources, more
    kept = (record.earlier(number) for number in range(1, earlier.attempt))
    for attempt in (*kept, earlier):
        had = resources
        if attempt is not None and attempt.reason is Reason.OUT_OF_MEMORY:
            resources = had.more_memory(workspace.maximum.memory)
        more = resources != had
    return resources, more


def with_memory(request: RunRequest, resources: Resources) -> RunRequest:
    """The request, whose runner keeps within these resources."""
    limits = request.limits.model_copy(update={"memory_bytes": resources.memory_bytes})
    return request.model_copy(update={"limits": limits})
