"""The client against a server that answers as Airflow 3.3 does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import FunctionType

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cli.serving import free_ports, serving
from daybook.cli.airflow_api import AirflowApi
from daybook.cli.settings import ApiAccess
from daybook.contract.errors import InfrastructureFailed, InvalidRequest, InvalidSettings, NotAllowed

RUN = {
    "dag_id": "echo",
    "dag_run_id": "manual__2026-11-23T01:02:03+00:00",
    "state": "queued",
    "run_after": "2026-11-23T01:02:03Z",
    "triggering_user_name": "admin",
    "conf": {},
}


class Airflow:
    """Answers what it is told to; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, object]] = []
        self.answers: dict[tuple[str, str], Response | Callable[[Request], Response]] = {
            ("POST", "/auth/token"): JSONResponse({"access_token": "token"}, 201),
            ("GET", "/api/v2/dags/echo"): JSONResponse({"dag_id": "echo", "is_paused": False}),
            ("POST", "/api/v2/dags/echo/dagRuns"): JSONResponse(RUN),
        }
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST", "PATCH"])])

    async def answer(self, request: Request) -> Response:
        body = await request.json() if await request.body() else None
        self.asked.append((request.method, request.url.path, body))
        if request.url.path != "/auth/token" and request.headers.get("authorization") != "Bearer token":
            return JSONResponse({"detail": "Invalid token"}, 401)
        found = self.answers.get((request.method, request.url.path))
        return (found(request) if isinstance(found, FunctionType) else found) or JSONResponse(
            {"detail": "Not Found"}, 404
        )


@pytest.fixture
def airflow():
    return Airflow()


@pytest.fixture
def api(airflow):
    with serving(airflow.app) as url, AirflowApi(ApiAccess(url, "admin", "secret")) as found:
        yield found


def test_a_run_is_asked_for_as_airflow_wants_it(airflow, api):
    run = api.trigger("echo", {"word": "x", "workspace": "local"})
    assert run.run_id == RUN["dag_run_id"]
    assert run.run_after == datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
    assert not run.finished
    assert airflow.asked[0] == ("POST", "/auth/token", {"username": "admin", "password": "secret"})
    body = {"logical_date": None, "conf": {"word": "x", "workspace": "local"}}
    assert airflow.asked[-1] == ("POST", "/api/v2/dags/echo/dagRuns", body)


def test_one_token_serves_all_questions(airflow, api):
    api.dag("echo")
    api.dag("echo")
    assert [path for _, path, _ in airflow.asked].count("/auth/token") == 1


def test_a_given_token_is_used_as_it_is(airflow):
    with serving(airflow.app) as url, AirflowApi(ApiAccess(url, token="token")) as api:
        api.dag("echo")
    assert [path for _, path, _ in airflow.asked] == ["/api/v2/dags/echo"]


@pytest.mark.parametrize(
    ("status", "answer", "error", "words"),
    [
        (400, {"detail": "times: must be an integer"}, InvalidRequest, "times: must be an integer"),
        (409, {"detail": "exists"}, InvalidRequest, "exists"),
        (422, {"detail": [{"loc": ["body", "conf"], "msg": "must be a dict"}]}, InvalidRequest, "body.conf: must be a"),
        (401, {"detail": "Invalid"}, InvalidSettings, "does not know the user or token"),
        (403, {"detail": "Forbidden"}, NotAllowed, "user admin"),
        (500, {"detail": "oops"}, InfrastructureFailed, r"failed \(500\): oops"),
        (503, {}, InfrastructureFailed, "Service Unavailable"),
    ],
)
def test_each_refusal_is_one_clear_error(airflow, api, status, answer, error, words):
    airflow.answers["POST", "/api/v2/dags/echo/dagRuns"] = JSONResponse(answer, status)
    with pytest.raises(error, match=words):
        api.trigger("echo", {})


def test_an_unknown_dag_says_that_new_notebooks_take_a_moment(api):
    with pytest.raises(InvalidRequest, match="no such DAG: a new notebook shows up"):
        api.trigger("eko", {})


def test_a_dag_is_there_unless_it_is_unknown_or_lost_from_sight(airflow, api):
    assert api.has_dag("echo")
    assert not api.has_dag("eko")
    airflow.answers["GET", "/api/v2/dags/echo"] = JSONResponse({"dag_id": "echo", "is_stale": True})
    assert not api.has_dag("echo")


def test_a_paused_dag_is_refused_for_its_run_would_wait_for_ever(airflow, api):
    airflow.answers["GET", "/api/v2/dags/echo"] = JSONResponse({"dag_id": "echo", "is_paused": True})
    with pytest.raises(InvalidRequest, match="paused"):
        api.trigger("echo", {})
    assert ("POST", "/api/v2/dags/echo/dagRuns") not in [asked[:2] for asked in airflow.asked]


@pytest.mark.parametrize("answer", [PlainTextResponse("<html>hello</html>"), JSONResponse([1]), JSONResponse({})])
def test_something_that_is_not_airflow_is_told_apart(airflow, api, answer):
    airflow.answers["POST", "/api/v2/dags/echo/dagRuns"] = answer
    with pytest.raises(InfrastructureFailed, match="does not answer as Airflow does"):
        api.trigger("echo", {})


def test_a_web_server_without_such_pages_is_told_apart():
    app = Starlette(routes=[Route("/auth/token", lambda _: JSONResponse({"access_token": "token"}), methods=["POST"])])
    with (
        serving(app) as url,
        AirflowApi(ApiAccess(url, "admin", "x")) as api,
        pytest.raises(InfrastructureFailed, match="does not answer as Airflow does"),
    ):
        api.dag("echo")


@pytest.mark.parametrize(("local", "way_out"), [(True, "daybook up"), (False, "check the address")])
def test_nobody_there_says_what_to_do(local, way_out):
    access = ApiAccess(f"http://127.0.0.1:{free_ports(1)[0]}", "admin", "x", local=local)
    with AirflowApi(access) as api, pytest.raises(InfrastructureFailed, match=way_out):
        api.dag("echo")


def test_ids_are_quoted_in_addresses(airflow, api):
    with pytest.raises(InvalidRequest):
        api.dag_run("a/../b", "manual__2026-11-23T01:02:03+00:00")
    # Starlette shows the path decoded: the slash of the id did not make a path of its own.
    assert airflow.asked[-1][1] == "/api/v2/dags/a/../b/dagRuns/manual__2026-11-23T01:02:03+00:00"


def test_the_last_error_of_a_task_is_found_in_its_log(airflow, api):
    task = "/api/v2/dags/echo/dagRuns/r/taskInstances/run"
    airflow.answers["GET", task] = JSONResponse({"try_number": 2})
    content = [
        {"event": "::group::"},
        {"event": "Task failed", "level": "error", "error_detail": [{"exc_type": "X", "exc_value": "not allowed: x"}]},
        {"event": "done", "level": "info"},
    ]
    airflow.answers["GET", f"{task}/logs/2"] = JSONResponse({"content": content})
    assert api.last_error("echo", "r") == "not allowed: x"
    airflow.answers["GET", f"{task}/logs/2"] = JSONResponse({"content": ["a line"]})
    assert api.last_error("echo", "r") is None


def test_all_unfinished_runs_are_found_however_many_pages(airflow, api):
    runs = [{**RUN, "dag_run_id": f"r{number}"} for number in range(250)]

    def page(request: Request) -> Response:
        assert request.query_params.getlist("state") == ["queued", "running"]
        start, size = (int(request.query_params[name]) for name in ("offset", "limit"))
        size = min(size, 50)  # as an Airflow with a lower `maximum_page_limit` does
        return JSONResponse({"dag_runs": runs[start : start + size], "total_entries": 250})

    airflow.answers["GET", "/api/v2/dags/~/dagRuns"] = page
    assert [run.run_id for run in api.unfinished()] == [f"r{number}" for number in range(250)]


def test_a_run_is_found_by_its_whole_id_only(airflow, api):
    runs = [RUN, {**RUN, "dag_run_id": RUN["dag_run_id"] + "x"}]
    airflow.answers["GET", "/api/v2/dags/~/dagRuns"] = JSONResponse({"dag_runs": runs, "total_entries": 2})
    assert [run.run_id for run in api.find(RUN["dag_run_id"])] == [RUN["dag_run_id"]]


def test_the_password_shows_nowhere():
    assert "secret" not in repr(ApiAccess("http://x", "admin", "secret", "secret"))
