"""The API of notebooks: what is listed for whom, what a request is checked for, and how a run is started."""

import dataclasses
import json

import pytest
from jsonschema import Draft202012Validator

from builders import RUN_ID
from daybook.contract.request import MAX_REQUEST_BYTES
from daybook.web.rates import RunRates, TooManyRuns
from daybook.web.settings import WebSettings
from daybook.web.world import NotLoggedIn
from daybook.workspaces import Identity
from web_api import HERE, program, with_airflow
from web_notebooks import a_notebook

pytestmark = pytest.mark.anyio

NOTEBOOK = "/api/v1/notebooks/flights_delays"
BODY = {"parameters": {"origin": "LGA"}, "workspace": "open"}


async def test_notebooks_are_listed_for_whom_they_can_run(bob):
    found = (await bob.get("/api/v1/notebooks")).json()
    assert [each["id"] for each in found["notebooks"]] == ["flights_delays"]
    assert found["notebooks"][0]["workspaces"] == ["open"]
    alice = (await bob.get("/api/v1/notebooks", headers={"Authorization": "Bearer alice"})).json()
    assert [each["id"] for each in alice["notebooks"]] == ["flights_delays", "secret"]


@pytest.mark.parametrize(("q", "total"), [("LATE", 1), ("aviation delays", 1), ("nothing", 0)])
async def test_notebooks_are_found_by_words(bob, q, total):
    assert (await bob.get("/api/v1/notebooks", params={"q": q})).json()["total"] == total


async def test_pages_follow_one_another_by_links(world, airflow):
    many = [a_notebook(f"nb{number}") for number in range(5)]
    seen, page = [], "/api/v1/notebooks?limit=2"
    async with program(with_airflow(world, airflow, *many)) as bob:
        while page:
            answer = await bob.get(page)
            seen += [each["id"] for each in answer.json()["notebooks"]]
            page = answer.json()["next"]
            assert answer.links.get("next", {}).get("url") == page
    assert seen == [f"nb{number}" for number in range(5)]


async def test_a_notebook_tells_what_it_takes(bob):
    found = (await bob.get(NOTEBOOK)).json()
    schema = Draft202012Validator(found["inputs"])
    assert schema.is_valid({"origin": "LGA"})
    assert not schema.is_valid({"origin": "XXX"})
    assert found["links"]["runs"] == f"{NOTEBOOK}/runs"
    assert found["settings"]["timeout_seconds"] == 3600


async def test_what_is_unchanged_is_not_sent_again(bob):
    first = await bob.get(NOTEBOOK)
    again = await bob.get(NOTEBOOK, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert (await bob.get(NOTEBOOK, headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize("what", ["", "/validate", "/runs"])
async def test_a_strangers_notebook_is_as_one_that_there_is_not(bob, airflow, what):
    answers = [
        await bob.request("POST" if what else "GET", f"/api/v1/notebooks/{name}{what}", json=BODY if what else None)
        for name in ("secret", "absent")
    ]
    assert [(each.status_code, each.json()["detail"]) for each in answers] == [
        (404, "there is no such notebook, or you may not run it")
    ] * 2
    assert not airflow.orders


async def test_checking_names_every_fault_and_runs_nothing(bob, airflow):
    body = {"parameters": {"origin": "XXX", "day": "x", "no": 1}, "workspace": "closed", "settings": {"memory": "lots"}}
    answer = await bob.post(f"{NOTEBOOK}/validate", json=body)
    assert answer.status_code == 422
    places = {each["where"] for each in answer.json()["faults"]}
    assert places == {"origin", "day", "no", "workspace", "run_settings.memory"}
    good = await bob.post(f"{NOTEBOOK}/validate", json={"parameters": {"origin": "LGA"}})
    assert good.json() == {
        "notebook": "flights_delays",
        "workspace": "open",
        "parameters": {"origin": "LGA", "minimum_delay": 15},
        "settings": {},
    }
    assert not airflow.orders


async def test_what_cannot_travel_to_a_pod_is_refused_before_it_is_stored(world, airflow):
    async with program(with_airflow(world, airflow, a_notebook("takes", {"text": {"type": "string"}}))) as bob:
        for what in ("validate", "runs"):
            body = {"parameters": {"text": "x" * MAX_REQUEST_BYTES}}
            answer = await bob.post(f"/api/v1/notebooks/takes/{what}", json=body)
            assert (answer.status_code, answer.json()["faults"][0]["where"]) == (422, "parameters")
    assert not airflow.orders


async def test_a_run_is_taken_and_found_where_location_says(bob, airflow):
    answer = await bob.post(f"{NOTEBOOK}/runs", json=BODY | {"settings": {"memory": "1Gi"}})
    assert answer.status_code == 202
    assert airflow.orders[0].conf["run_settings"] == {"memory": "1Gi"}
    run = (await bob.get(answer.headers["location"])).json()
    assert (run["state"], run["record"], run["user"]) == ("queued", None, "bob")
    assert run["links"]["page"] == f"/runs/open/{run['run_id']}"


async def test_a_key_makes_one_run_of_many_requests(bob, airflow):
    key = {"Idempotency-Key": "k-1"}
    first, second = [await bob.post(f"{NOTEBOOK}/runs", json=BODY, headers=key) for _ in range(2)]
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.headers["location"] == second.headers["location"]
    assert len(airflow.orders) == 1
    other = await bob.post(f"{NOTEBOOK}/runs", json=BODY | {"parameters": {"origin": "JFK"}}, headers=key)
    assert other.status_code == 409


@pytest.mark.parametrize(("says", "state"), [("failed", "failed"), ("success", "succeeded"), ("running", "queued")])
async def test_a_run_that_is_over_without_a_record_is_not_said_to_wait(bob, airflow, says, state):
    """One that is cancelled before it began leaves no record: whoever sends the key again would wait for ever."""
    key = {"Idempotency-Key": "k-1"}
    await bob.post(f"{NOTEBOOK}/runs", json=BODY, headers=key)
    airflow.keys = {each: (order, dataclasses.replace(run, state=says)) for each, (order, run) in airflow.keys.items()}
    again = await bob.post(f"{NOTEBOOK}/runs", json=BODY, headers=key)
    assert (again.status_code, again.json()["state"]) == (200, state)
    assert (again.json()["message"] is None) == (state == "queued")


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "é"])
async def test_a_key_must_be_short_and_plain(bob, airflow, key):
    answer = await bob.post(f"{NOTEBOOK}/runs", json=BODY, headers=[(b"Idempotency-Key", key.encode())])
    assert answer.status_code == 422
    assert not airflow.orders


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"a": ["\udfff"]}])
async def test_what_no_document_can_hold_is_refused(world, airflow, value):
    async with program(with_airflow(world, airflow, a_notebook("open", open_inputs=True))) as bob:
        body = json.dumps({"parameters": {"a": value}})
        answer = await bob.post(
            "/api/v1/notebooks/open/validate", content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["where"] == "parameters"


FROM_HERE = {"Sec-Fetch-Site": "same-origin", "Origin": HERE}


async def _by_cookie(request):
    if "_token" not in request.cookies:
        raise NotLoggedIn("no cookie")
    return Identity("bob")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (FROM_HERE, 202),
        ({"Origin": HERE}, 202),
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://other.daybook.test"}, 403),
        ({"Origin": "null"}, 403),
        (FROM_HERE | {"Content-Type": "text/plain"}, 415),
        (FROM_HERE | {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
async def test_with_a_cookie_only_our_own_pages_start_runs(world, airflow, headers, status):
    here = dataclasses.replace(with_airflow(world, airflow), user=_by_cookie)
    async with program(here, None, Cookie="_token=x") as bob:
        marks = {"Content-Type": "application/json", **headers}
        answer = await bob.post(f"{NOTEBOOK}/runs", content=b'{"parameters": {}}', headers=marks)
    assert answer.status_code == status
    assert len(airflow.orders) == (status == 202)


CROSS = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", f"{NOTEBOOK}/validate", JSON, 200),
        ("POST", f"{NOTEBOOK}/validate", JSON | CROSS, 200),  # a browser has asked Airflow first
        ("POST", f"{NOTEBOOK}/validate", CROSS, 403),
        ("POST", f"{NOTEBOOK}/validate", CROSS | {"Content-Type": "text/plain"}, 403),
        ("POST", f"{NOTEBOOK}/validate", {"Origin": "null"}, 403),
        ("DELETE", f"/api/v1/runs/open/{RUN_ID}/pin", CROSS, 404),  # so there, too: it is looked for
    ],
)
async def test_a_token_that_a_proxy_may_have_added_starts_nothing_for_another_site(bob, method, path, headers, status):
    answer = await bob.request(method, path, content=b'{"parameters": {}, "workspace": "open"}', headers=headers)
    assert answer.status_code == status


async def test_whoever_asks_for_too_many_runs_is_told_when_to_come_again(world, airflow):
    here = with_airflow(world, airflow, settings=WebSettings(mount="", runs_per_minute=2))
    async with program(here) as bob:
        answers = [await bob.post(f"{NOTEBOOK}/runs", json=BODY) for _ in range(3)]
        assert [each.status_code for each in answers] == [202, 202, 429]
        assert 1 <= int(answers[2].headers["retry-after"]) <= 30
        alice = await bob.post(f"{NOTEBOOK}/runs", json=BODY, headers={"Authorization": "Bearer alice"})
        assert alice.status_code == 202
        form = await bob.post("/run/flights_delays", data={"origin": "JFK", "workspace": "open"})
        assert form.status_code == 429
    assert len(airflow.orders) == 3


def test_tokens_come_back_with_time():
    now = 0.0
    rates = RunRates(2, lambda: now)
    for _ in range(2):
        rates.take("bob")
    with pytest.raises(TooManyRuns) as told:
        rates.take("bob")
    assert told.value.seconds == 30
    now = 30.0
    rates.take("bob")
    with pytest.raises(TooManyRuns):
        rates.take("bob")


async def test_a_link_that_a_program_follows_tells_the_request_that_it_means(bob, airflow):
    answer = await bob.get("/run/flights_delays?origin=LGA", headers={"Accept": "application/json"})
    run = answer.json()["run"]
    assert not airflow.orders
    taken = await bob.request(run["method"], run["url"], json=run["body"])
    assert taken.status_code == 202
    assert airflow.orders[0].conf["origin"] == "LGA"
