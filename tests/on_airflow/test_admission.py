"""The middleware before Airflow's API: refuses, or passes the very same request on."""

import json

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from daybook.on_airflow.admission import MAX_BODY_BYTES, Admission, Refusal


async def echo(request: Request):
    return JSONResponse({"size": len(await request.body()), "method": request.method})


@pytest.fixture
def asked():
    return []


@pytest.fixture
def client(asked):
    async def refusal_of(dag_id, conf, scope):
        asked.append((dag_id, conf))
        return Refusal(400, "two faults") if conf.get("bad") else None

    core = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    app = Admission(core, refusal_of=refusal_of)
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
    assert response.json() == {"size": len(content), "method": "POST"}
    assert asked == [("nb", body.get("conf") or {})]


@pytest.mark.anyio
@pytest.mark.parametrize("content", [b"", b"not json", b"[1]", b'{"conf": [1]}', b'{"conf": "x"}', b"\xff"])
async def test_malformed_body_is_left_to_core(client, asked, content):
    response = await client.post("/api/v2/dags/nb/dagRuns", content=content)
    assert response.json()["size"] == len(content)
    assert asked == []


@pytest.mark.anyio
async def test_oversized_body_is_passed_on_whole(client, asked):
    content = b'{"conf": {"bad": "' + b"x" * MAX_BODY_BYTES + b'"}}'
    response = await client.post("/api/v2/dags/nb/dagRuns", content=content)
    assert response.json()["size"] == len(content)
    assert asked == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    "path", ["/api/v2/dags/nb", "/api/v2/dags/nb/dagRuns/list", "/api/v2/dags/nb/dagRuns/x/clear", "/"]
)
async def test_other_requests_are_not_looked_at(client, asked, path):
    assert (await client.post(path, json={"conf": {"bad": 1}})).status_code == 200
    assert (await client.get("/api/v2/dags/nb/dagRuns")).status_code == 200
    assert asked == []
