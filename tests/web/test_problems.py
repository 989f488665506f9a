"""Problem documents for programs, plain words for people; neither holds what was sent, or our insides."""

import dataclasses
import json
import logging

import httpx
import pytest
from starlette.middleware.gzip import GZipMiddleware

from builders import RUN_ID, a_manifest
from daybook.contract.errors import Fault, InfrastructureFailed, InvalidSettings, StoreFailed
from daybook.web.app import create_app
from daybook.web.bodies import MAX_BODY_BYTES
from daybook.web.problems import MAX_FAULTS, answer_problem
from web_api import Airflow, program, with_airflow

pytestmark = pytest.mark.anyio

RUNS = "/api/v1/notebooks/flights_delays/runs"
RUN = f"/runs/open/{RUN_ID}"
HTML = {"Accept": "text/html,application/xhtml+xml"}


def is_problem(answer, status):
    document = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, document["status"], document["type"]) == (status, status, "about:blank")
    assert document["title"]
    assert document["instance"] == answer.request.url.path
    return document


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/none", 404),
        ("PATCH", "/api/v1/runs", 405),
        ("GET", f"/api{RUN}", 404),
        ("GET", f"/api/v1{RUN}", 404),
        ("GET", "/api/v1/runs?limit=0", 422),
        ("POST", RUNS, 422),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "application/json", HTML["Accept"]])
async def test_below_the_api_every_problem_is_a_document(client, method, path, status, accept):
    if path == RUNS:
        status = 404  # there is no such notebook; that comes before what is wrong with the body
    is_problem(await client.request(method, path, headers={"Accept": accept}), status)


async def test_pages_answer_people_in_plain_words_and_programs_with_documents(client):
    assert (await client.get(RUN, headers=HTML)).headers["content-type"].startswith("text/")
    assert (await client.get(RUN)).headers["content-type"].startswith("text/plain")
    is_problem(await client.get(RUN, headers={"Accept": "application/json"}), 404)


async def test_a_browser_is_not_sent_to_log_in_from_the_api(client):
    answer = await client.get("/api/v1/runs", headers={**HTML, "Authorization": ""})
    is_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{", ""),
        (b"[]", ""),
        (b'{"parameters": [], "workspace": 1, "more": 2}', "parameters workspace more"),
        (b'{"parameters": ' + b"[" * 100_000, ""),
        (b'{"parameters": {"a": ' + b"1" * 5_000 + b"}}", ""),
        (b"\xff\xfe", ""),
    ],
)
async def test_a_malformed_body_is_told_with_every_fault_and_none_of_itself(world, body, where):
    async with program(with_airflow(world, Airflow())) as bob:
        answer = await bob.post(RUNS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    document = is_problem(answer, answer.status_code)
    if where:
        assert {each["where"] for each in document["faults"]} == set(where.split())
    assert len(answer.content) < 2_000


async def test_what_was_sent_is_not_sent_back(world):
    body = {"parameters": {}, **{f"x{number}" * 1_000: "y" * 1_000 for number in range(300)}}
    async with program(with_airflow(world, Airflow())) as bob:
        answer = await bob.post(RUNS, json=body)
        long = await bob.post(RUNS, json={"parameters": {"origin": "z" * 100_000}})
    assert len(is_problem(answer, 422)["faults"]) <= MAX_FAULTS + 1
    assert len(answer.content) < 100_000
    assert len(is_problem(long, 422)["faults"]) == 1
    assert len(long.content) < 3_000


async def test_a_body_that_is_too_large_is_a_problem(world):
    async with program(with_airflow(world, Airflow())) as bob:
        body = b'"' + b"x" * MAX_BODY_BYTES + b'"'
        answer = await bob.post(RUNS, content=body, headers={"Content-Type": "application/json"})
    is_problem(answer, 413)


@pytest.mark.parametrize("path", [f"/api/v1{RUN}", RUN])
async def test_what_nobody_foresaw_is_told_without_insides_and_found_in_the_log(world, caplog, path):
    def broken(_):
        raise RuntimeError("the password is x")

    caplog.set_level(logging.ERROR, "daybook.web.faults")
    async with program(dataclasses.replace(world, bucket=broken)) as bob:
        answer = await bob.get(path)
    assert answer.status_code == 500
    assert "password" not in answer.text
    record = next(each for each in caplog.records if each.name == "daybook.web.faults")
    reference = record.args[0]
    assert reference in answer.text
    assert record.exc_info[1].args == ("the password is x",)
    if path.startswith("/api"):
        assert is_problem(answer, 500)["reference"] == reference


@pytest.mark.parametrize(
    ("error", "status"), [(StoreFailed("the bucket does not answer"), 503), (InvalidSettings("file /x is wrong"), 500)]
)
async def test_foreseen_failures_are_problems_too(world, error, status):
    def broken(_):
        raise error

    async with program(dataclasses.replace(world, bucket=broken)) as bob:
        answer = await bob.get(f"/api/v1{RUN}")
    assert "/x" not in is_problem(answer, status)["detail"]
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_run_that_nobody_can_look_for_now_is_no_missing_one(world):
    def away(*_):
        raise InfrastructureFailed("Airflow's database does not answer")

    async with program(dataclasses.replace(world, waiting_run=away)) as bob:
        found = await bob.get(f"/api/v1{RUN}")
        events = await bob.get(f"/api/v1{RUN}/events")
        stranger = await bob.get(f"/api/v1/runs/closed/{RUN_ID}")
    assert is_problem(found, 503)["detail"] == "Airflow's database does not answer"
    assert found.headers["retry-after"] == "10"
    is_problem(events, 503)
    is_problem(stranger, 404)


@pytest.mark.parametrize(
    ("status", "title"),
    [(413, "Content Too Large"), (422, "Unprocessable Content"), (404, "Not Found"), (599, "Error")],
)
def test_a_title_is_the_status_in_the_words_of_http(status, title):
    assert json.loads(answer_problem(status, "").body)["title"] == title


def test_many_faults_are_cut_short():
    answer = answer_problem(422, "d" * 10_000, [Fault("w" * 1_000, "m" * 1_000)] * 1_000)
    assert len(answer.body) < MAX_FAULTS * 1_100 + 3_000
    assert b"and 900 more" in answer.body


COMPRESSED = [
    ({"Authorization": "Bearer bob"}, True),
    ({"Authorization": "Bearer bob", "Sec-Fetch-Site": "cross-site"}, False),  # a proxy may have added the token
    ({"Authorization": "Bearer bob", "Sec-Fetch-Site": "same-origin"}, True),
    ({"Cookie": "a=b", "Sec-Fetch-Site": "same-origin"}, True),
    ({"Cookie": "a=b", "Sec-Fetch-Site": "none"}, True),
    ({"Cookie": "a=b", "Sec-Fetch-Site": "cross-site"}, False),
    ({"Cookie": "a=b", "Sec-Fetch-Site": "same-site"}, False),
    ({"Cookie": "a=b"}, False),
]


@pytest.mark.parametrize(("headers", "is_small"), COMPRESSED)
async def test_answers_are_compressed_unless_another_site_may_have_asked(world, headers, is_small):
    async with program(world, None, **{"Accept-Encoding": "gzip", **headers}) as bob:
        answer = await bob.get("/openapi.json")
    assert (answer.headers.get("content-encoding") == "gzip") is is_small
    assert answer.json()["openapi"]


async def test_files_and_events_are_not_compressed(client, save):
    page = save(a_manifest(), {"log.txt": b"x" * 10_000, "notebook.ipynb": b"x" * 10_000})
    marks = {"Accept-Encoding": "gzip"}
    assert "content-encoding" not in (await client.get(f"{page}/notebook.ipynb", headers=marks)).headers
    assert "content-encoding" not in (await client.get(f"/api/v1{page}/events", headers=marks)).headers
    assert (await client.get(f"{page}/log", headers=marks)).headers["content-encoding"] == "gzip"


async def test_airflows_own_compression_around_the_pages_does_not_undo_that(world, save):
    """Airflow's API server compresses whatever the apps mounted in it leave as it is."""
    page = save(a_manifest(results={"x": "y" * 2000}))
    transport = httpx.ASGITransport(GZipMiddleware(create_app(world)))
    marks = {"Accept-Encoding": "gzip", "Sec-Fetch-Site": "cross-site"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://daybook.test", headers=marks, cookies={"_token": "bob"}
    ) as browser:
        answer = await browser.get(page)
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "identity")
