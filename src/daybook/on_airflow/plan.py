"""From an Airflow task instance to a `RunRequest`: typed, allowed, and told where its record lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow.sdk.log import mask_secret

from daybook.catalogue import Notebook
from daybook.contract import keys
from daybook.contract.errors import Fault, NotAllowed
from daybook.contract.request import AirflowCoordinates, NotebookSource, RunRequest
from daybook.on_airflow.admission import VOUCHER
from daybook.on_airflow.vouchers import Errand, NotVouched, redeem
from daybook.pods import Resources
from daybook.workspaces import Identity, Workspace, may_see, require_access, require_within, timeout_of

DIGEST_PREFIX = "sha256:"
"""How the catalogue writes a digest; the contract's fields are called `sha256` and hold the hex digits alone."""

_OWNERS = frozenset({"scheduled", "asset_triggered"})
"""Airflow's types of DAG runs that nobody asked for, and that come without a conf."""

UNATTENDED = _OWNERS | {"backfill"}
"""Airflow's types of DAG runs that no person asked for one by one."""


@dataclass(frozen=True)
class TaskInstance:
    """The task instance that stands for a run.

    Attributes:
        coordinates: where it stands in Airflow.
        run_after: the DAG run's, which does not change when it is cleared or retried.
        user: whom Airflow vouches for; None for a run that nobody triggered.
        voucher: what the conf brought as a voucher for the user's groups; proves nothing by itself.
    """

    coordinates: AirflowCoordinates
    run_after: datetime
    user: str | None
    voucher: object = field(default=None, repr=False)

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> TaskInstance:
        """Reads Airflow's task context; from now on Airflow masks the voucher in logs."""
        ti, dag_run = context["ti"], context["dag_run"]
        coordinates = AirflowCoordinates(
            dag_id=ti.dag_id,
            run_id=dag_run.run_id,
            task_id=ti.task_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
            try_number=ti.try_number,
            run_type=str(getattr(dag_run.run_type, "value", dag_run.run_type)),
            logical_date=_iso(dag_run.logical_date),
            data_interval_start=_iso(dag_run.data_interval_start),
            data_interval_end=_iso(dag_run.data_interval_end),
        )
        voucher = (getattr(dag_run, "conf", None) or {}).get(VOUCHER)
        if isinstance(voucher, str):
            mask_secret(voucher)
        return cls(coordinates, dag_run.run_after, dag_run.triggering_user_name, voucher)

    def run_id(self, notebook: str) -> str:
        """The run that this task instance stands for, the same at every try."""
        here = self.coordinates
        return keys.airflow_run_id(notebook, self.run_after, here.dag_id, here.run_id, here.task_id, here.map_index)


def plan_run(
    notebook: Notebook,
    given: Mapping[str, Any],
    workspace: Workspace,
    task: TaskInstance,
    output: str,
    voucher_key: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> RunRequest:
    """The first attempt's request.

    Args:
        notebook: the catalogue's entry, with the settings that were chosen.
        given: the values asked for, not yet typed.
        workspace: where.
        task: on whose behalf, and when.
        output: URL of the run's prefix.
        voucher_key: by which vouchers are known to be ours; without one, groups and claims do not count.
        settings: those that were chosen, for whoever makes the run again.

    Raises:
        InvalidRequest: values are unknown, missing or of the wrong type; every fault is named.
        InvalidRequest: the notebook wants an image or more than the workspace allows.
        NotAllowed: the user may not run this notebook in this workspace.
    """
    user = _owner(notebook, task) if task.user is None else task.user
    _decide(user, workspace, notebook, task, voucher_key)
    require_within(workspace, notebook.run)
    values = notebook.resolve(given)
    secret = notebook.secret_inputs
    return RunRequest(
        run_id=task.run_id(notebook.id),
        notebook=NotebookSource(
            id=notebook.id,
            source=str(notebook.source),
            sha256=notebook.digest.removeprefix(DIGEST_PREFIX) if notebook.digest else None,
            title=notebook.title,
            kernel=notebook.run.kernel,
        ),
        parameters={name: value for name, value in values.items() if name not in secret},
        secrets={name: str(value) for name, value in values.items() if name in secret and value is not None},
        settings={name: value for name, value in (settings or {}).items() if value is not None},
        workspace=workspace.name,
        user=user,
        output=output,
        limits=notebook.run.limits(
            choose_resources(notebook, workspace).memory_bytes, timeout_of(workspace, notebook.run)
        ),
        may_end_early=notebook.run.may_end_early,
        image=notebook.run.image or workspace.image,
        asked_at=_iso(task.run_after),
        airflow=task.coordinates,
    )


def choose_resources(notebook: Notebook, workspace: Workspace) -> Resources:
    """What its pod gets: the notebook's wish where it has one, else the workspace's default."""
    return Resources.choose(workspace, notebook.run)


def _decide(
    user: str | None, workspace: Workspace, notebook: Notebook, task: TaskInstance, voucher_key: str | None
) -> None:
    """Asks the one decision; a refusal of somebody who may be a member by group says why no group counted."""
    identity, note = Identity(user), None
    try:
        identity = _vouched(task, workspace, voucher_key)
    except NotVouched as reason:
        note = str(reason)
    try:
        require_access(identity, workspace, notebook)
    except NotAllowed as error:
        by_group = workspace.members.groups or workspace.members.claims
        if note is None or not by_group or may_see(identity, workspace):
            raise
        raise NotAllowed(error.summary, [*error.faults, Fault("workspace", note)]) from error


def _vouched(task: TaskInstance, workspace: Workspace, key: str | None) -> Identity:
    """Whoever asked for the run, with the groups and claims that a voucher states.

    Raises:
        NotVouched: no groups are known of them.
    """
    if not task.user:
        raise NotVouched("the groups of a run that nobody asked for are not known; name its owner among the users")
    if key is None:
        raise NotVouched("membership through groups does not count here, since Daybook has no key for vouchers")
    if task.voucher is None:
        raise NotVouched("the user's groups are known only of runs that Airflow's form or REST API triggered")
    return redeem(task.voucher, Errand(task.user, task.coordinates.dag_id, workspace.name), key)


def _owner(notebook: Notebook, task: TaskInstance) -> str | None:
    """A run that nobody triggered (a schedule, an asset) runs as the owner whom the catalogue names.

    A backfill never: somebody made it, with a conf of their own, also where Airflow does not know who.
    """
    if task.coordinates.run_type not in _OWNERS:
        return None
    return (notebook.schedule.owner if notebook.schedule else None) or notebook.owner


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
