"""Runs of Airflow's users: through Airflow's own API, so that its permissions, checks and audit log all apply."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp

from daybook.contract.errors import InvalidRequest, NotAllowed
from daybook.on_airflow.plugin import AIRFLOW
from daybook.on_airflow.ports.dag_runs import DagRunRow
from daybook.on_airflow.ports.users import token_for_airflow
from daybook.web.world import NotLoggedIn, Order

RETRY_AFTER = {"Retry-After": "10"}


class AlreadyThere(Exception):
    """There is a DAG run of that id."""


async def trigger(request: Request, order: Order, dag_run_id: str | None) -> DagRunRow:
    """Makes a DAG run as the user whose token the request bears.

    Raises:
        AlreadyThere: there is one of that id.
        NotAllowed: Airflow or Daybook's admission does not let them.
        InvalidRequest: what is asked for cannot be run.
    """
    body: dict[str, Any] = {"logical_date": None, "conf": dict(order.conf)}
    if dag_run_id is not None:
        body["dag_run_id"] = dag_run_id
    found = await _call(request, "POST", f"/api/v2/dags/{quote(order.notebook, safe='')}/dagRuns", body)
    return DagRunRow.of(
        found["dag_id"],
        found["dag_run_id"],
        datetime.fromisoformat(found["run_after"]),
        found["state"],
        found.get("triggering_user_name"),
        found.get("conf"),
    )


async def cancel(request: Request, dag_id: str, dag_run_id: str) -> None:
    """Ends a DAG run as the user whose token the request bears: its tasks are stopped, and it counts as failed.

    Raises:
        NotAllowed: Airflow does not let them.
        InvalidRequest: there is no such DAG run.
    """
    path = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(dag_run_id, safe='')}"
    await _call(request, "PATCH", path, {"state": "failed"})


async def _call(request: Request, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Asks the app that ours is mounted in.

    The one token that Daybook knows the user by is handed on, and nothing else: of two tokens in a request Airflow must
    not take the other one.
    """
    app: ASGIApp = request.scope[AIRFLOW]
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=_client(request))
    headers = {"Authorization": f"Bearer {token_for_airflow(request)}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://airflow", headers=headers) as airflow:
        answer = await airflow.request(method, path, json=body)
    if answer.is_error:
        raise _refusal(answer)
    found: dict[str, Any] = answer.json()
    return found


def _client(request: Request) -> tuple[str, int]:
    return (request.client.host, request.client.port) if request.client else ("127.0.0.1", 0)


def _refusal(answer: httpx.Response) -> Exception:
    detail = _detail(answer)
    match answer.status_code:
        case httpx.codes.UNAUTHORIZED:
            return NotLoggedIn(detail)
        case httpx.codes.FORBIDDEN:
            return NotAllowed(f"not allowed: {detail}")
        case httpx.codes.CONFLICT:
            return AlreadyThere(detail)
        case code if code < httpx.codes.INTERNAL_SERVER_ERROR:
            return InvalidRequest(detail)
        case _:
            return HTTPException(503, "Airflow could not do it; try again soon", RETRY_AFTER)


def _detail(answer: httpx.Response) -> str:
    """What Airflow says is wrong: a text, or a list of pydantic's faults."""
    try:
        found = answer.json().get("detail")
    except (ValueError, AttributeError):
        found = None
    if isinstance(found, list):
        return "; ".join(f"{'.'.join(map(str, each.get('loc', ())))}: {each.get('msg')}" for each in found)
    return str(found or answer.reason_phrase)
