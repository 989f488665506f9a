"""The runs that a place in Airflow stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

from daybook.catalogue import Catalogue
from daybook.contract.keys import AIRFLOW_TASK
from daybook.on_airflow.links import RunLink
from daybook.on_airflow.ports.dag_runs import asked_of, find
from daybook.web.world import Place, RunName
from daybook.workspaces import Workspaces

MANY = 200
"""As many runs of one DAG run are shown; its tasks in Airflow have the rest."""

_PAGE = re.compile(r"/runs/([^/?#\"]+)/([^/?#\"]+)\"?$")


@dataclass(frozen=True)
class Places:
    """The port `runs_at`; blocks.

    Attributes:
        catalogue: as it is now.
        workspaces: as they are now.
    """

    catalogue: Callable[[], Catalogue]
    workspaces: Callable[[], Workspaces]

    def runs_at(self, place: Place) -> Sequence[RunName]:
        """The run of a DAG run of ours, from the moment Airflow has it; else the runs that tasks have told of."""
        row = find(place.dag_id, place.dag_run_id)
        if row is None:
            return ()
        asked = asked_of(row, self.catalogue(), self.workspaces())
        if asked is None:
            return _told(place)
        return (RunName(asked.workspace, asked.run_id),) if place.task_id in (None, AIRFLOW_TASK) else ()


def _told(place: Place) -> Sequence[RunName]:
    """By the links that Airflow keeps of tasks; a task's own code could have written them, and they name anything."""
    wanted = select(XComModel.value, XComModel.task_id, XComModel.map_index).where(
        XComModel.dag_id == place.dag_id, XComModel.run_id == place.dag_run_id, XComModel.key == RunLink().xcom_key
    )
    if place.task_id is not None:
        wanted = wanted.where(XComModel.task_id == place.task_id)
    if place.map_index is not None:
        wanted = wanted.where(XComModel.map_index == place.map_index)
    with create_session(scoped=False) as session:
        rows = session.execute(wanted.order_by(XComModel.task_id, XComModel.map_index).limit(MANY)).all()
    return [found for row in rows if (found := _named(*row)) is not None]


def _named(link: object, task_id: str, map_index: int) -> RunName | None:
    page = _PAGE.search(link) if isinstance(link, str) else None
    return page and RunName(page[1], page[2], task_id if map_index < 0 else f"{task_id}, {map_index}")
