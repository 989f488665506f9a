"""Starting and cancelling runs on behalf of whoever asks, each kind of user in their own way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from airflow.models.dagbag import DBDagBag
from fastapi import HTTPException
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from daybook.catalogue import Catalogue
from daybook.contract import keys
from daybook.on_airflow.admission import VOUCHER, Passed
from daybook.on_airflow.plugin import AIRFLOW
from daybook.on_airflow.ports import in_process, over_api
from daybook.on_airflow.ports.dag_runs import (
    FINISHED,
    DagRunRow,
    asked_of,
    asked_of_removed,
    find,
    is_watched,
    require_startable,
)
from daybook.on_airflow.ports.users import Users
from daybook.web.tokens.oidc import OidcTokens
from daybook.web.world import Asked, Conflict, Order, SparkDeed
from daybook.workspaces import Identity, Workspaces, may_see

WATCHED_SECONDS = 10.0
"""How long a cancelled run may wait for a triggerer to see it; at work one looks each second."""
_LOOK_SECONDS = 0.25

AWAY = (OperationalError, NoConnection)
"""Airflow's database is locked, lost or has no connection left: another try may do."""


@dataclass(frozen=True)
class Runs:
    """The ports `trigger` and `cancel`.

    Attributes:
        users: who asks.
        decide: whether somebody may run a conf of a DAG; raises `InvalidRequest` or `NotAllowed`.
        catalogue: as it is now.
        workspaces: as they are now.
    """

    users: Users
    decide: Callable[[str, dict[str, Any], Identity], Passed]
    catalogue: Callable[[], Catalogue]
    workspaces: Callable[[], Workspaces]

    async def trigger(self, request: Request, identity: Identity, order: Order) -> Asked:
        """Starts a run, once for each idempotency key of a user.

        Raises:
            InvalidRequest, NotAllowed: it cannot be run, or not by them.
            Conflict: the key was used for another order; or the notebook is paused.
            HTTPException: 503, Airflow cannot do it now.
        """
        order = replace(order, conf={name: value for name, value in order.conf.items() if name != VOUCHER})
        dag_run_id = None
        if order.idempotency is not None:
            dag_run_id = keys.ordered_dag_run_id(identity.user or "", order.notebook, order.idempotency)
        try:
            await run_in_threadpool(require_startable, order.notebook)
            row, is_new = await self._made(request, identity, order, dag_run_id), True
        except over_api.AlreadyThere as error:
            row, is_new = await run_in_threadpool(_same, order, identity, dag_run_id, error), False
        except AWAY as error:
            raise busy() from error
        return await run_in_threadpool(self._asked, row, is_new=is_new)

    async def cancel(self, request: Request, identity: Identity, asked: Asked) -> None:
        """Ends a run.

        Raises:
            NotAllowed: Airflow does not let this user.
            InvalidRequest, Conflict: there is nothing to cancel.
            HTTPException: 503, Airflow cannot do it now.
        """
        provider = self.users.provider_of(request)
        try:
            await run_in_threadpool(self._require_cancellable, identity, asked)
            await _until_watched(asked.dag_id, asked.dag_run_id)
            if provider is None:
                await over_api.cancel(request, asked.dag_id, asked.dag_run_id)
            else:
                where = (asked.dag_id, asked.dag_run_id)
                await run_in_threadpool(in_process.cancel, _dags(request), *_who(provider, identity), *where)
        except AWAY as error:
            raise busy() from error

    async def spark(self, request: Request, identity: Identity, deed: SparkDeed) -> None:
        """Has a workspace's Spark server started or stopped.

        Raises:
            InvalidRequest, NotAllowed: there is none of Daybook's, or it is not theirs.
            Conflict: the DAG that does it is paused.
            HTTPException: 503, Airflow cannot do it now.
        """
        order = Order(keys.SPARK_DAG, deed.workspace, {"workspace": deed.workspace, "action": deed.action})
        try:
            await run_in_threadpool(require_startable, keys.SPARK_DAG)
            await self._made(request, identity, order, None)
        except AWAY as error:
            raise busy() from error

    async def _made(self, request: Request, identity: Identity, order: Order, dag_run_id: str | None) -> DagRunRow:
        provider = self.users.provider_of(request)
        if provider is None:
            return await over_api.trigger(request, order, dag_run_id)
        passed = await run_in_threadpool(self.decide, order.notebook, dict(order.conf), identity)
        who = _who(provider, identity)
        return await run_in_threadpool(in_process.trigger, _dags(request), *who, order, passed.voucher, dag_run_id)

    def _asked(self, row: DagRunRow, *, is_new: bool) -> Asked:
        asked = asked_of(row, self.catalogue(), self.workspaces(), is_new=is_new)
        if asked is None:  # catalogue or workspaces have changed within this request
            raise Conflict("the notebook has just been changed; Airflow tells what became of the run")
        return asked

    def _require_cancellable(self, identity: Identity, asked: Asked) -> None:
        """Asks Airflow which run it is: a record is written by notebooks, and may name anybody's DAG run."""
        row = find(asked.dag_id, asked.dag_run_id)
        workspaces = self.workspaces()
        found = None
        if row is not None:
            found = asked_of(row, self.catalogue(), workspaces) or asked_of_removed(row, workspaces)
        if found is None or (found.workspace, found.run_id) != (asked.workspace, asked.run_id):
            raise Conflict("Airflow has no such run that could be cancelled here")
        if not may_see(identity, workspaces.get(found.workspace)):
            raise Conflict("Airflow has no such run that could be cancelled here")
        if found.state in FINISHED:
            raise Conflict("the run is over; there is nothing to cancel")


async def _until_watched(dag_id: str, dag_run_id: str) -> None:
    """Gives a triggerer the moment it takes to see a run that has just begun to wait: its end is told to that alone.

    Where no triggerer is at work the run is cancelled all the same, and the sweeper ends its pod.
    """
    deadline = time.monotonic() + WATCHED_SECONDS
    while not await run_in_threadpool(is_watched, dag_id, dag_run_id) and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_SECONDS)


def _same(order: Order, identity: Identity, dag_run_id: str | None, error: Exception) -> DagRunRow:
    """The DAG run that the same order has made before.

    Raises:
        Conflict: it was another order.
    """
    row = None if dag_run_id is None else find(order.notebook, dag_run_id)
    if row is None:
        raise busy() from error
    if row.user != identity.user or row.conf != order.conf:
        raise Conflict("the idempotency key was used for another request before")
    return row


def busy() -> HTTPException:
    """What is told while Airflow's database is away."""
    return HTTPException(503, "Airflow's database is busy; try again soon", over_api.RETRY_AFTER)


def _who(provider: OidcTokens, identity: Identity) -> tuple[str, str]:
    return provider.settings.issuer, identity.user or ""


def _dags(request: Request) -> DBDagBag:
    dags: DBDagBag = request.scope[AIRFLOW].state.dag_bag
    return dags
