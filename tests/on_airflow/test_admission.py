"""The middleware before Airflow's API: refuses, or passes the very same request on."""

import json

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from daybook.on_airflow.admission import MAX_BODY_BYTES, VOUCHER, Admission, Passed, Refusal


async def echo(request: Request):
    body = await request.body()
    length = request.headers.get("content-length")
    return JSONResponse({"size": len(body), "method": request.method, "body": body.decode("latin1"), "length": length})


@pytest.fixture
def asked():
    return []


@pytest.fixture
def client(asked):
    async def decide(dag_id, conf, scope):
        asked.append((dag_id, conf))
        if conf is None:
            return Refusal(413, "too large") if dag_id == "nb" else None
        if conf.get("bad"):
            return Refusal(400, "two faults")
        return Passed(conf.get("gets")) if dag_id == "nb" else None

    core = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    app = Admission(core, decide)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.anyio
async def test_bad_conf_is_refused_before_core_sees_it(client):
    response = await client.post("/api/v2/dags/nb/dagRuns", json={"conf": {"bad": 1}})
    assert (response.status_code, response.json()) == (400, {"detail": "two faults"})


@pytest.mark.anyio
@pytest.mark.parametrize("body", [{"conf": {"good": 1}}, {"conf": None}, {"logical_date": None}])
async def test_good_trigger_reaches_core_unchanged(client, asked, body):
    content = json.dumps(body).encode()
    response = await client.post("/api/v2/dags/nb/dagRuns", content=content)
    assert response.json()["body"].encode() == content
    assert response.json()["size"] == len(content)
    assert asked == [("nb", body.get("conf") or {})]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "content", [b"", b"not json", b"[1]", b"[" * 100_000, b'{"conf": [1]}', b'{"conf": "x"}', b"\xff"]
)
async def test_malformed_body_is_left_to_core(client, asked, content):
    response = await client.post("/api/v2/dags/nb/dagRuns", content=content)
    assert response.json()["size"] == len(content)
    assert asked == []


@pytest.mark.anyio
async def test_oversized_body_of_another_dag_is_passed_on_whole(client, asked):
    content = b'{"conf": {"bad": "' + b"x" * MAX_BODY_BYTES + b'"}}'
    response = await client.post("/api/v2/dags/somebody-elses/dagRuns", content=content)
    assert response.json()["size"] == len(content)
    assert asked == [("somebody-elses", None)]


@pytest.mark.anyio
async def test_oversized_body_of_a_notebook_never_reaches_core(client):
    response = await client.post("/api/v2/dags/nb/dagRuns", content=b'{"conf": {"x": "' + b"x" * MAX_BODY_BYTES)
    assert (response.status_code, response.json()) == (413, {"detail": "too large"})


@pytest.mark.anyio
@pytest.mark.parametrize(
    "path", ["/api/v2/dags/nb", "/api/v2/dags/nb/dagRuns/list", "/api/v2/dags/nb/dagRuns/x/clear", "/"]
)
async def test_other_requests_are_not_looked_at(client, asked, path):
    assert (await client.post(path, json={"conf": {"bad": 1}})).status_code == 200
    assert (await client.get("/api/v2/dags/nb/dagRuns")).status_code == 200
    assert asked == []


@pytest.mark.anyio
async def test_a_trigger_that_passes_gets_its_voucher_and_keeps_the_rest(client, asked):
    body = {"conf": {"gets": "v.v.v", "ü": [1, 1e400]}, "logical_date": None, "note": "x"}
    got = (await client.post("/api/v2/dags/nb/dagRuns", content=json.dumps(body).encode())).json()
    assert json.loads(got["body"]) == {**body, "conf": {**body["conf"], VOUCHER: "v.v.v"}}
    assert got["length"] == str(got["size"])
    assert asked == [("nb", body["conf"])]


@pytest.mark.anyio
@pytest.mark.parametrize("dag", ["nb", "somebody-elses"])
async def test_what_a_client_sends_as_a_voucher_is_thrown_away(client, asked, dag):
    got = (await client.post(f"/api/v2/dags/{dag}/dagRuns", json={"conf": {VOUCHER: "forged", "a": 1}})).json()
    assert json.loads(got["body"]) == {"conf": {"a": 1}}
    assert got["length"] == str(got["size"])
    assert asked == [(dag, {"a": 1})]


@pytest.mark.anyio
async def test_a_body_in_chunks_names_no_length_afterwards_either(client):
    async def chunks():
        for chunk in (b'{"conf": {"daybook_', b'voucher": "forged"}}'):
            yield chunk

    got = (await client.post("/api/v2/dags/nb/dagRuns", content=chunks())).json()
    assert (json.loads(got["body"]), got["length"]) == ({"conf": {}}, None)


@pytest.mark.anyio
async def test_of_a_name_given_twice_core_gets_the_one_that_was_checked(client, asked):
    content = b'{"conf": {"bad": 1}, "conf": {"daybook_voucher": "f", "daybook_voucher": "g"}}'
    got = (await client.post("/api/v2/dags/nb/dagRuns", content=content)).json()
    assert json.loads(got["body"]) == {"conf": {}}
    assert asked == [("nb", {})]
