"""Airflow's REST API, as far as commands need it; whatever it answers becomes one of Daybook's errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from daybook.cli.settings import ApiAccess
from daybook.contract import keys
from daybook.contract.errors import (
    DaybookError,
    Fault,
    InfrastructureFailed,
    InvalidRequest,
    InvalidSettings,
    NotAllowed,
)

_ASK_SECONDS = 30.0
"""Long enough for an Airflow that is busy parsing; a stack that is down answers at once that it is."""
_MANY = 100
"""DAG runs a page: Airflow gives no more at once, and fewer where it is told so."""

FINISHED = frozenset({"success", "failed"})


@dataclass(frozen=True)
class DagRun:
    """A DAG run, as Airflow tells."""

    dag_id: str
    run_id: str
    state: str
    run_after: datetime
    user: str | None
    conf: Mapping[str, Any]

    @property
    def finished(self) -> bool:
        """Whether Airflow is through with it."""
        return self.state in FINISHED

    @classmethod
    def from_response(cls, found: Mapping[str, Any]) -> DagRun:
        """Reads Airflow's document."""
        return cls(
            dag_id=found["dag_id"],
            run_id=found["dag_run_id"],
            state=found["state"],
            run_after=datetime.fromisoformat(found["run_after"]),
            user=found.get("triggering_user_name"),
            conf=found.get("conf") or {},
        )


class AirflowApi:
    """A connection to Airflow's REST API; use it with `with`.

    Args:
        access: where, and who asks.
        transport: how requests travel; None is the network.
    """

    def __init__(self, access: ApiAccess, transport: httpx.BaseTransport | None = None) -> None:
        self._access = access
        self._token = access.token
        self._client = httpx.Client(
            base_url=access.url, timeout=_ASK_SECONDS, transport=transport, trust_env=not access.local
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; twice is fine."""
        self._client.close()

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> DagRun:
        """Asks for a run.

        Raises:
            InvalidRequest: Airflow refuses the conf, has no such DAG, or has paused it.
            InfrastructureFailed: Airflow does not answer as it must.
        """
        if self.dag(dag_id).get("is_paused"):
            message = "it is paused, so the run would wait for ever; switch it on in Airflow's list of DAGs"
            raise InvalidRequest(f"cannot run {dag_id}", [Fault(f"DAG {dag_id}", message)])
        body = {"logical_date": None, "conf": dict(conf)}
        path = f"/api/v2/dags/{_quoted(dag_id)}/dagRuns"
        return self._dag_run(self._call("POST", path, json=body, missing=_no_dag(dag_id)))

    def has_dag(self, dag_id: str) -> bool:
        """Whether Airflow has a DAG, and has not lost sight of it since."""
        try:
            return not self.dag(dag_id).get("is_stale")
        except InvalidRequest:
            return False

    def dag(self, dag_id: str) -> dict[str, Any]:
        """A DAG's record.

        Raises:
            InvalidRequest: there is none.
        """
        found: dict[str, Any] = self._call("GET", f"/api/v2/dags/{_quoted(dag_id)}", missing=_no_dag(dag_id))
        return found

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        """A DAG run.

        Raises:
            InvalidRequest: there is none.
        """
        return self._dag_run(self._call("GET", _run_path(dag_id, run_id), missing=_no_run(run_id)))

    def fail(self, dag_id: str, run_id: str) -> None:
        """Ends a DAG run: its tasks are stopped, and it counts as failed."""
        self._call("PATCH", _run_path(dag_id, run_id), json={"state": "failed"}, missing=_no_run(run_id))

    def fail_task(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> None:
        """Ends one task of a DAG run; the others go on."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{_quoted(task_id)}"
        path += f"/{map_index}" if map_index >= 0 else ""
        self._call("PATCH", path, json={"new_state": "failed"}, missing=_no_run(run_id))

    def is_watched(self, dag_id: str, run_id: str) -> bool:
        """Whether a triggerer has each task of a DAG run that waits for one: the end of another is told to nobody."""
        found = self._call("GET", f"{_run_path(dag_id, run_id)}/taskInstances", missing=_no_run(run_id))
        waiting = [each for each in found["task_instances"] if each.get("state") == "deferred"]
        return all((each.get("trigger") or {}).get("triggerer_id") is not None for each in waiting)

    def find(self, run_id: str) -> list[DagRun]:
        """Every DAG's run of that id."""
        params = {"run_id_pattern": run_id, "limit": _MANY}
        found = self._call("GET", "/api/v2/dags/~/dagRuns", params=params)
        return [run for each in found["dag_runs"] if (run := self._dag_run(each)).run_id == run_id]

    def unfinished(self) -> list[DagRun]:
        """DAG runs that wait or run, newest first."""
        runs: list[DagRun] = []
        while True:
            params = {"state": ["queued", "running"], "order_by": "-run_after", "limit": _MANY, "offset": len(runs)}
            found = self._call("GET", "/api/v2/dags/~/dagRuns", params=params)
            runs += [self._dag_run(each) for each in found["dag_runs"]]
            if not found["dag_runs"] or len(runs) >= found["total_entries"]:
                return runs

    def task_state(self, dag_id: str, run_id: str, task_id: str) -> str | None:
        """The state of a DAG run's task; None while nothing was done about it."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{_quoted(task_id)}"
        state = self._call("GET", path, missing=_no_run(run_id)).get("state")
        return None if state is None else str(state)

    def last_error(self, dag_id: str, run_id: str, task_id: str = keys.AIRFLOW_TASK) -> str | None:
        """The last error in a task's log: what a task says that came to no manifest. None when it says nothing."""
        task = self._call("GET", f"{_run_path(dag_id, run_id)}/taskInstances/{_quoted(task_id)}")
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{_quoted(task_id)}/logs/{task['try_number']}"
        content = self._call("GET", path, headers={"Accept": "application/json"}).get("content", [])
        return next((text for entry in reversed(content) if (text := _error_in(entry))), None)

    def _dag_run(self, found: Mapping[str, Any]) -> DagRun:
        try:
            return DagRun.from_response(found)
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange(f"a DAG run without {error}") from error

    def _call(self, method: str, path: str, *, missing: InvalidRequest | None = None, **request: Any) -> dict[str, Any]:
        response = self._send(method, path, self._authorised(request))
        if response.status_code == httpx.codes.NOT_FOUND and missing is not None and _is_json(response):
            raise missing
        return self._document(response)

    def _authorised(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._token is None:
            body = {"username": self._access.user, "password": self._access.password}
            answer = self._document(self._send("POST", "/auth/token", {"json": body}))
            self._token = str(answer.get("access_token"))
        headers = {**request.get("headers", {}), "Authorization": f"Bearer {self._token}"}
        return {**request, "headers": headers}

    def _send(self, method: str, path: str, request: Mapping[str, Any]) -> httpx.Response:
        try:
            return self._client.request(method, path, **request)
        except httpx.ConnectError as error:
            hint = "the stack is not up: run `daybook up`" if self._access.local else "check the address"
            raise InfrastructureFailed(f"nothing answers at {self._access.url}; {hint}") from error
        except httpx.TimeoutException as error:
            raise InfrastructureFailed(f"Airflow at {self._access.url} takes too long to answer") from error
        except httpx.HTTPError as error:
            raise InfrastructureFailed(f"Airflow at {self._access.url} cannot be reached: {error}") from error

    def _document(self, response: httpx.Response) -> dict[str, Any]:
        if response.is_error:
            raise self._refusal(response)
        document = response.json() if _is_json(response) else None
        if not isinstance(document, dict):
            raise self._strange(f"{response.request.method} {response.request.url.path} gives no JSON object")
        return document

    def _refusal(self, response: httpx.Response) -> DaybookError:
        detail = _detail(response)
        match response.status_code:
            case httpx.codes.UNAUTHORIZED:
                hint = "; is it this project's stack that answers there? `daybook status` tells" * self._access.local
                return InvalidSettings(
                    f"Airflow at {self._access.url} does not know the user or token ({detail}){hint}"
                )
            case httpx.codes.FORBIDDEN:
                return NotAllowed(f"Airflow does not allow it to user {self._access.user or 'of this token'}: {detail}")
            case httpx.codes.NOT_FOUND:
                return self._strange(detail)
            case code if code < httpx.codes.INTERNAL_SERVER_ERROR:
                return InvalidRequest(f"Airflow refuses it: {detail}")
            case code:
                return InfrastructureFailed(f"Airflow at {self._access.url} failed ({code}): {detail}")

    def _strange(self, what: str) -> InfrastructureFailed:
        return InfrastructureFailed(f"{self._access.url} does not answer as Airflow does: {what}")


def _no_dag(dag_id: str) -> InvalidRequest:
    message = "Airflow has no such DAG: a new notebook shows up within half a minute; its import errors tell of others"
    return InvalidRequest(f"cannot run {dag_id}", [Fault(f"DAG {dag_id}", message)])


def _no_run(run_id: str) -> InvalidRequest:
    return InvalidRequest(f"Airflow has no run {run_id!r}; it may have been deleted there")


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{_quoted(dag_id)}/dagRuns/{_quoted(run_id)}"


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _is_json(response: httpx.Response) -> bool:
    return "json" in response.headers.get("content-type", "")


def _detail(response: httpx.Response) -> str:
    """What Airflow says is wrong: a text, or a list of pydantic's faults."""
    found = response.json().get("detail") if _is_json(response) else None
    if isinstance(found, list):
        return "; ".join(f"{'.'.join(map(str, each.get('loc', ())))}: {each.get('msg')}" for each in found)
    return str(found or response.reason_phrase or response.status_code)


def _error_in(entry: Any) -> str | None:
    """The message of a log entry that tells of an exception."""
    if not isinstance(entry, Mapping):
        return None
    for detail in entry.get("error_detail") or ():
        if detail.get("exc_value"):
            return str(detail["exc_value"])
    return str(entry.get("event")) if entry.get("level") in ("error", "critical") else None
