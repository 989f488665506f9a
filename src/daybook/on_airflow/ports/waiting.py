"""Runs that Airflow has taken and not ended, and when scheduled notebooks run next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from sqlalchemy import select

from daybook.catalogue import Catalogue
from daybook.contract.keys import RUN_NOTEBOOK_DAG
from daybook.on_airflow.ports.dag_runs import COLUMNS, DagRunRow, asked_of
from daybook.on_airflow.ports.lately import Lately
from daybook.web.world import Asked
from daybook.workspaces import Workspace, Workspaces

WAITING_SECONDS = 1.0
NEXT_RUNS_SECONDS = 10.0
MANY = 1_000
"""Of runs that wait, the newest are shown; a queue of more is looked at in Airflow."""


class Waiting:
    """The ports `waiting` and `next_runs`: one query for everybody, again after a moment.

    Args:
        catalogue: as it is now.
        workspaces: as they are now.
    """

    def __init__(self, catalogue: Callable[[], Catalogue], workspaces: Callable[[], Workspaces]) -> None:
        self._catalogue = catalogue
        self._workspaces = workspaces
        self._rows: Lately[Sequence[Asked]] = Lately(self._read_waiting, WAITING_SECONDS, ())
        self._next: Lately[Mapping[str, datetime]] = Lately(self._read_next, NEXT_RUNS_SECONDS, {})

    def waiting(self, workspace: Workspace) -> Sequence[Asked]:
        """The runs of a workspace that Airflow has taken and not ended, the newest first."""
        return [each for each in self._rows.get() if each.workspace == workspace.name]

    def next_runs(self) -> Mapping[str, datetime]:
        """When each scheduled notebook runs next, by its id."""
        return self._next.get()

    def _read_waiting(self) -> Sequence[Asked]:
        catalogue, workspaces = self._catalogue(), self._workspaces()
        wanted = (
            select(*COLUMNS)
            .where(
                DagRun.state.in_([DagRunState.QUEUED, DagRunState.RUNNING]),
                DagRun.dag_id.in_([*catalogue.notebooks, RUN_NOTEBOOK_DAG]),
            )
            .order_by(DagRun.run_after.desc())
            .limit(MANY)
        )
        with create_session(scoped=False) as session:
            rows = [DagRunRow.of(*found) for found in session.execute(wanted)]
        return [asked for row in rows if (asked := asked_of(row, catalogue, workspaces)) is not None]

    def _read_next(self) -> Mapping[str, datetime]:
        scheduled = [each.id for each in self._catalogue().notebooks.values() if each.schedule]
        wanted = select(DagModel.dag_id, DagModel.next_dagrun_create_after).where(
            DagModel.dag_id.in_(scheduled),
            ~DagModel.is_paused,
            ~DagModel.is_stale,
        )
        with create_session(scoped=False) as session:
            return {dag_id: moment for dag_id, moment in session.execute(wanted) if moment is not None}
