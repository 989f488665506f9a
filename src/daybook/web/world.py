"""What the pages need of the world around them, handed in by whoever mounts the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from starlette.requests import Request

from daybook.catalogue import Catalogue
from daybook.contract.manifest import Manifest
from daybook.storage import Store
from daybook.web.settings import WebSettings
from daybook.workspaces import Identity, Workspace, Workspaces


@dataclass(frozen=True)
class Order:
    """A run that somebody asks for; it passed every check that is made on this side.

    Attributes:
        notebook: the notebook's id, which is the DAG's too.
        workspace: where it is to run.
        conf: what the DAG run gets: the parameters, the workspace, and the run's settings where some were chosen.
        idempotency: what makes two orders one; None for an order of its own.
    """

    notebook: str
    workspace: str
    conf: Mapping[str, Any]
    idempotency: str | None = None


@dataclass(frozen=True)
class Asked:
    """A run that Airflow has taken; its record may not be there yet.

    Attributes:
        run_id: the run's id.
        notebook: the notebook's id.
        workspace: where it runs.
        user: on whose behalf.
        asked_at: when.
        dag_id: its DAG in Airflow.
        dag_run_id: its DAG run there.
        state: Airflow's word for the DAG run: queued, running, success or failed.
        is_new: False where an order with the same idempotency key had made it already.
    """

    run_id: str
    notebook: str
    workspace: str
    user: str | None
    asked_at: datetime
    dag_id: str
    dag_run_id: str
    state: str
    is_new: bool = True


@dataclass(frozen=True)
class Place:
    """Where somebody looks in Airflow: at a DAG run, or at a task of one.

    Attributes:
        dag_id: the DAG.
        dag_run_id: the DAG run.
        task_id: the task; None for all of them.
        map_index: which of a mapped task's instances, -1 for one that is not mapped; None for all of them.
    """

    dag_id: str
    dag_run_id: str
    task_id: str | None = None
    map_index: int | None = None


@dataclass(frozen=True)
class RunName:
    """What a run is found by. Whoever names one has not thereby shown that there is such a run.

    Attributes:
        workspace: where it ran.
        run_id: its id.
        task: the task in Airflow that it is of, for the reader, where there are several.
    """

    workspace: str
    run_id: str
    task: str = ""


@dataclass(frozen=True)
class SparkDeed:
    """What somebody wants of a workspace's Spark server.

    Attributes:
        workspace: whose.
        action: what.
    """

    workspace: str
    action: Literal["start", "stop"]


class NotLoggedIn(Exception):
    """The request names nobody who is vouched for."""


class Conflict(Exception):
    """What is asked for cannot be done to the run as it is now; the text says why."""


async def _no_trigger(_: Request, __: Identity, ___: Order) -> Asked:
    raise Conflict("runs cannot be started here")


async def _no_cancel(_: Request, __: Identity, ___: Asked) -> None:
    raise Conflict("runs cannot be cancelled here")


async def _no_spark(_: Request, __: Identity, ___: SparkDeed) -> None:
    raise Conflict("Spark servers cannot be started or stopped here")


def _nothing_waits(_: Workspace) -> Sequence[Asked]:
    return ()


def _does_not_wait(_: Workspace, __: str) -> Asked | None:
    return None


def _nothing_is_scheduled() -> Mapping[str, datetime]:
    return {}


def _nothing_in_airflow(_: Place) -> Sequence[RunName]:
    return ()


@dataclass(frozen=True)
class World:
    """The app's ports to the outside. What is not `async` may block, and is called in a thread.

    Attributes:
        user: who asks; raises `NotLoggedIn` when nobody can be vouched for.
        workspaces: as they are now.
        catalogue: as it is now.
        bucket: a workspace's bucket.
        login_url: where a browser goes to log in and come back to a path.
        airflow_url: the page of a run in Airflow, if it has one.
        trigger: starts a run on behalf of whoever asks; raises `InvalidRequest`, `NotAllowed` or `Conflict`.
        cancel: ends a run; raises `NotAllowed` or `Conflict`.
        spark: has a workspace's Spark server started or stopped; raises as `trigger` does.
        waiting: the runs of a workspace that Airflow has taken and not ended, whether they have a record or not; the
            newest, where there are very many.
        waiting_run: one of them, by its id, also where there are more than `waiting` gives; None for no such one;
            raises `InfrastructureFailed` where nobody can tell.
        next_runs: when each scheduled notebook runs next.
        runs_at: the runs that a place in Airflow stands for.
        settings: what an operator may choose.
        key: signs what the pages hand out and get back (forms, links); of this installation alone.
        state: a folder for what can be made anew at any time, such as the index of runs.
    """

    user: Callable[[Request], Awaitable[Identity]]
    workspaces: Callable[[], Workspaces]
    bucket: Callable[[Workspace], Store]
    login_url: Callable[[str], str]
    airflow_url: Callable[[Manifest], str | None]
    catalogue: Callable[[], Catalogue] = field(default=lambda: Catalogue({}, {}, ()))
    trigger: Callable[[Request, Identity, Order], Awaitable[Asked]] = _no_trigger
    cancel: Callable[[Request, Identity, Asked], Awaitable[None]] = _no_cancel
    spark: Callable[[Request, Identity, SparkDeed], Awaitable[None]] = _no_spark
    waiting: Callable[[Workspace], Sequence[Asked]] = _nothing_waits
    waiting_run: Callable[[Workspace, str], Asked | None] = _does_not_wait
    next_runs: Callable[[], Mapping[str, datetime]] = _nothing_is_scheduled
    runs_at: Callable[[Place], Sequence[RunName]] = _nothing_in_airflow
    settings: WebSettings = field(default_factory=WebSettings)
    key: bytes = field(default=b"", repr=False)
    state: Path | None = None
