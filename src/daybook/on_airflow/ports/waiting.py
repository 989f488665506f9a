"""Runs that Airflow has taken and not ended, and when scheduled notebooks run next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import SQLAlchemyError

from daybook.catalogue import Catalogue
from daybook.contract import keys
from daybook.contract.errors import InfrastructureFailed
from daybook.on_airflow.ports.dag_runs import NAMING_COLUMNS, DagRunRow, asked_of
from daybook.on_airflow.ports.lately import Lately
from daybook.web.world import Asked
from daybook.workspaces import Workspace, Workspaces

WAITING_SECONDS = 1.0
NEXT_RUNS_SECONDS = 10.0
MANY = 1_000
"""Of runs that wait, the newest are shown; a queue of more is looked at in Airflow."""
MANY_OF_A_SECOND = 1_000
"""Nobody asks for more within one second, of all users."""
_SECOND = timedelta(seconds=1)
_UNKNOWN = "Airflow's database does not answer, so nobody can tell whether such a run waits"


class Waiting:
    """The ports `waiting`, `waiting_run` and `next_runs`: one query for everybody, again after a moment.

    Args:
        catalogue: as it is now.
        workspaces: as they are now.
    """

    def __init__(self, catalogue: Callable[[], Catalogue], workspaces: Callable[[], Workspaces]) -> None:
        self._catalogue = catalogue
        self._workspaces = workspaces
        self._listed: Lately[Sequence[Asked]] = Lately(lambda: self._read(MANY), WAITING_SECONDS, ())
        self._next: Lately[Mapping[str, datetime]] = Lately(self._read_next, NEXT_RUNS_SECONDS, {})

    def waiting(self, workspace: Workspace) -> Sequence[Asked]:
        """The runs of a workspace that Airflow has taken and not ended, the newest first."""
        return [each for each in self._listed.get() if each.workspace == workspace.name]

    def waiting_run(self, workspace: Workspace, run_id: str) -> Asked | None:
        """One of them, also where more wait than are listed, or it came after they were; None where it does not wait.

        Whoever has just asked for a run is led to its page, and others may have looked a moment before.

        Raises:
            InfrastructureFailed: nobody can tell now. A run that was taken a moment ago is not to be called none.
        """
        found = _one(self._listed.get(), workspace, run_id)
        if found is None and self._listed.is_behind:
            raise InfrastructureFailed(_UNKNOWN)
        return found or _one(self._read_second(run_id), workspace, run_id)

    def next_runs(self) -> Mapping[str, datetime]:
        """When each scheduled notebook runs next, by its id."""
        return self._next.get()

    def _read_second(self, run_id: str) -> Sequence[Asked]:
        """The runs that were asked for in the same second as one was."""
        try:
            begin = keys.asked_at(run_id)
            return self._read(MANY_OF_A_SECOND, DagRun.run_after >= begin, DagRun.run_after < begin + _SECOND)
        except (ValueError, OverflowError):
            return ()
        except SQLAlchemyError as error:
            raise InfrastructureFailed(_UNKNOWN) from error

    def _read(self, most: int, *terms: ColumnElement[bool]) -> Sequence[Asked]:
        """The newest runs that wait."""
        catalogue, workspaces = self._catalogue(), self._workspaces()
        wanted = (
            select(*NAMING_COLUMNS)
            .where(
                DagRun.state.in_([DagRunState.QUEUED, DagRunState.RUNNING]),
                DagRun.dag_id.in_([*catalogue.notebooks, keys.RUN_NOTEBOOK_DAG]),
                *terms,
            )
            .order_by(DagRun.run_after.desc())
            .limit(most)
        )
        with create_session(scoped=False) as session:
            rows = [DagRunRow.naming(*found) for found in session.execute(wanted)]
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


def _one(found: Sequence[Asked], workspace: Workspace, run_id: str) -> Asked | None:
    return next((each for each in found if (each.workspace, each.run_id) == (workspace.name, run_id)), None)
