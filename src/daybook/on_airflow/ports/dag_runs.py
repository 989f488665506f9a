"""DAG runs as the pages know them: which run each stands for, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from airflow.utils.types import DagRunType
from sqlalchemy import and_, or_, select

from daybook.catalogue import WORKSPACE, Catalogue
from daybook.contract import keys
from daybook.contract.errors import InvalidRequest
from daybook.on_airflow.admission import VOUCHER
from daybook.web.world import Asked, Conflict
from daybook.workspaces import Workspace, Workspaces

_NOTEBOOK = "notebook"
"""Where a conf of `run_notebook` names the notebook."""

COLUMNS = (
    DagRun.dag_id,
    DagRun.run_id,
    DagRun.run_after,
    DagRun.state,
    DagRun.triggering_user_name,
    DagRun.conf,
)
"""What a `DagRunRow` is read from, in its order."""

NAMING_COLUMNS = (*COLUMNS[:-1], DagRun.conf[_NOTEBOOK], DagRun.conf[WORKSPACE])
"""The same with no more of the conf than says which run it is: of many DAG runs, each may hold a large one."""

FINISHED = frozenset({"success", "failed"})
_QUEUED = (TaskInstanceState.SCHEDULED, TaskInstanceState.QUEUED)


@dataclass(frozen=True)
class DagRunRow:
    """A DAG run.

    Attributes:
        dag_id: its DAG.
        run_id: its id in Airflow.
        run_after: when it was asked for.
        state: Airflow's word for it.
        user: whom Airflow noted.
        conf: what it was asked with, or that part of it which was read, without a voucher.
    """

    dag_id: str
    run_id: str
    run_after: datetime
    state: str
    user: str | None
    conf: Mapping[str, Any]

    @classmethod
    def of(
        cls, dag_id: str, run_id: str, run_after: datetime, state: object, user: str | None, conf: object
    ) -> DagRunRow:
        """From columns, or from what Airflow's API says."""
        given = conf if isinstance(conf, Mapping) else {}
        bare = {name: value for name, value in given.items() if name != VOUCHER}
        return cls(dag_id, run_id, run_after, str(getattr(state, "value", state)), user, bare)

    @classmethod
    def naming(
        cls,
        dag_id: str,
        run_id: str,
        run_after: datetime,
        state: object,
        user: str | None,
        notebook: object,
        workspace: object,
    ) -> DagRunRow:
        """From `NAMING_COLUMNS`."""
        named = {_NOTEBOOK: notebook, WORKSPACE: workspace}
        return cls.of(dag_id, run_id, run_after, state, user, named)


def asked_of(row: DagRunRow, catalogue: Catalogue, workspaces: Workspaces, *, is_new: bool = False) -> Asked | None:
    """The run that a DAG run of ours stands for; None for one of somebody's own DAG, or one that no notebook fits."""
    notebook = catalogue.notebooks.get(str(_notebook_of(row)))
    named = row.conf.get(WORKSPACE)
    if notebook is None or not (named is None or isinstance(named, str)):
        return None
    try:
        workspace = workspaces.get(named or notebook.default_workspace)
    except InvalidRequest:
        return None
    return _asked(row, notebook.id, workspace, is_new=is_new)


def asked_of_removed(row: DagRunRow, workspaces: Workspaces) -> Asked | None:
    """The run of a notebook that the catalogue has no more; None where the DAG is none of ours; blocks.

    Nor is one known whose conf names no workspace: which one the notebook went to by default, nobody can say now.
    """
    notebook, named = _notebook_of(row), row.conf.get(WORKSPACE)
    if not isinstance(notebook, str) or not isinstance(named, str) or not _is_ours(row.dag_id):
        return None
    try:
        return _asked(row, notebook, workspaces.get(named))
    except InvalidRequest:
        return None


def _notebook_of(row: DagRunRow) -> object:
    return row.conf.get(_NOTEBOOK) if row.dag_id == keys.RUN_NOTEBOOK_DAG else row.dag_id


def _is_ours(dag_id: str) -> bool:
    wanted = select(DagTag.name).where(DagTag.dag_id == dag_id, DagTag.name == keys.DAG_TAG)
    with create_session(scoped=False) as session:
        return session.scalar(wanted) is not None


def _asked(row: DagRunRow, notebook: str, workspace: Workspace, *, is_new: bool = False) -> Asked:
    return Asked(
        run_id=keys.airflow_run_id(notebook, row.run_after, row.dag_id, row.run_id),
        notebook=notebook,
        workspace=workspace.name,
        user=row.user,
        asked_at=row.run_after,
        dag_id=row.dag_id,
        dag_run_id=row.run_id,
        state=row.state,
        is_new=is_new,
    )


def find(dag_id: str, run_id: str) -> DagRunRow | None:
    """A DAG run, as Airflow's database has it; blocks."""
    with create_session(scoped=False) as session:
        found = session.execute(select(*COLUMNS).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one_or_none()
    return None if found is None else DagRunRow.of(*found)


def is_watched(dag_id: str, run_id: str) -> bool:
    """Whether a triggerer or a worker has each task of a DAG run that has begun; blocks.

    A trigger that is dropped before any triggerer had it never hears of its end, and so ends no pod. Nor does a task
    that is back from its trigger and waits for a worker.
    """
    nobodys = (
        select(TaskInstance.id)
        .outerjoin(Trigger, TaskInstance.trigger_id == Trigger.id)
        .where(
            TaskInstance.dag_id == dag_id,
            TaskInstance.run_id == run_id,
            or_(
                and_(TaskInstance.state == TaskInstanceState.DEFERRED, Trigger.triggerer_id.is_(None)),
                and_(TaskInstance.state.in_(_QUEUED), TaskInstance.next_method.is_not(None)),
            ),
        )
    )
    with create_session(scoped=False) as session:
        return session.scalar(nobodys.limit(1)) is None


def require_startable(dag_id: str) -> None:
    """Refuses what Airflow would refuse, or take and never start; blocks.

    Raises:
        InvalidRequest: Airflow cannot run the DAG.
        Conflict: it is paused.
    """
    what = f"the DAG {dag_id}" if dag_id == keys.SPARK_DAG else "the notebook"
    with create_session(scoped=False) as session:
        dag = session.get(DagModel, dag_id)
        if dag is None or dag.is_stale:
            raise InvalidRequest(f"Airflow does not know {what} yet; a new one is known within half a minute")
        if dag.has_import_errors:
            raise InvalidRequest(f"Airflow cannot read the DAG of {what}; its operator finds the reason in Airflow")
        if dag.allowed_run_types is not None and DagRunType.MANUAL not in dag.allowed_run_types:
            raise InvalidRequest(f"Airflow does not let anybody run {what} by hand")
        if dag.is_paused:
            raise Conflict(f"{what} is paused in Airflow, so this would wait for ever; it has to be switched on")
