"""The API of runs: lists, records, outputs, and what may be done with a run."""

import json
from datetime import timedelta

import pytest

from builders import ASKED_AT, RUN_ID, a_manifest, a_run_id, an_output
from daybook.contract import keys
from daybook.contract.errors import NotAllowed
from daybook.contract.manifest import State
from daybook.contract.request import AirflowCoordinates
from daybook.storage import pin_of, record_of
from daybook.web.world import Asked, Conflict

pytestmark = pytest.mark.anyio

RUN = f"/api/v1/runs/open/{RUN_ID}"
HERE = AirflowCoordinates(dag_id="flights_delays", run_id="manual__1", task_id="notebook")
WAITS = a_run_id("flights_delays", ASKED_AT, "waits")


def waiting(workspace="open"):
    return Asked(WAITS, "flights_delays", workspace, "bob", ASKED_AT, "flights_delays", "manual__9", "running")


async def test_runs_are_listed_page_by_page(bob, save):
    ids = [a_run_id("nb", ASKED_AT + timedelta(seconds=number)) for number in range(5)]
    for run_id in ids:
        save(a_manifest(run_id=run_id))
    seen, page = [], "/api/v1/runs?limit=2&workspace=open"
    while page:
        answer = await bob.get(page)
        seen += [each["run_id"] for each in answer.json()["runs"]]
        page = answer.json()["next"]
        assert answer.links.get("next", {}).get("url") == page
    assert seen == ids[::-1]


async def test_a_list_holds_no_other_workspaces_runs(bob, save):
    save(a_manifest())
    assert {each["workspace"] for each in (await bob.get("/api/v1/runs")).json()["runs"]} == {"open"}
    answer = await bob.get("/api/v1/runs?workspace=closed&since=x")
    assert answer.status_code == 422
    assert {each["where"] for each in answer.json()["faults"]} == {"query.workspace", "query.since"}


async def test_a_run_that_waits_in_airflow_is_queued(bob, airflow):
    airflow.held.append(waiting())
    run = (await bob.get(f"/api/v1/runs/open/{WAITS}")).json()
    assert (run["state"], run["record"], run["attempt"]) == ("queued", None, 0)
    listed = (await bob.get("/api/v1/runs?state=queued")).json()
    assert [each["run_id"] for each in listed["waiting"]] == [WAITS]
    assert not (await bob.get("/api/v1/runs?state=running")).json()["waiting"]


async def test_a_run_is_told_with_its_record_and_not_again_while_it_is_the_same(bob, save):
    save(a_manifest())
    answer = await bob.get(RUN)
    assert answer.json()["record"]["results"] == {"mean_delay": 12.3}
    marks = {"If-None-Match": answer.headers["etag"]}
    assert (await bob.get(RUN, headers=marks)).status_code == 304
    save(a_manifest(attempt=2))
    assert (await bob.get(RUN, headers=marks)).status_code == 200


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e999"])
async def test_numbers_of_a_record_that_json_does_not_know_are_told_as_null(bob, bucket, number):
    text = a_manifest().to_json().replace("12.3", number).replace("12.0", number)
    record_of(bucket, RUN_ID).store.write(keys.MANIFEST, text.encode())
    record = json.loads((await bob.get(RUN)).text, parse_constant=pytest.fail)["record"]
    assert (record["results"], record["timings"]["duration_seconds"]) == ({"mean_delay": None}, None)
    told = (await bob.get(f"{RUN}/events")).text
    assert '"mean_delay":null' in told
    assert '"duration_seconds":null' in told


async def test_a_run_is_made_again_with_the_settings_that_were_chosen_for_it(bob, airflow, save):
    save(a_manifest(settings={"memory": "1Gi"}))
    assert (await bob.post(f"{RUN}/rerun")).status_code == 202
    assert airflow.orders[0].conf["run_settings"] == {"memory": "1Gi"}


async def test_outputs_are_listed_and_given(bob, save):
    output = an_output("a b/x.csv")
    save(a_manifest(outputs=(output,)), {output.key: b"abc"})
    listed = (await bob.get(f"{RUN}/outputs")).json()["outputs"]
    assert listed[0]["url"] == f"{RUN}/outputs/a%20b/x.csv"
    answer = await bob.get(listed[0]["url"])
    assert (answer.content, answer.headers["content-type"]) == (b"abc", "application/octet-stream")
    marks = {"If-None-Match": answer.headers["etag"]}
    assert (await bob.get(listed[0]["url"], headers=marks)).status_code == 304
    assert (await bob.get(f"{RUN}/outputs/none")).status_code == 404


async def test_a_run_is_cancelled(bob, airflow, save):
    save(a_manifest(state=State.RUNNING, sealed=False, airflow=HERE))
    answer = await bob.post(f"{RUN}/cancel")
    assert (answer.status_code, answer.headers["location"]) == (202, RUN)
    assert airflow.ended == [RUN_ID]


async def test_a_run_that_waits_is_cancelled(bob, airflow):
    airflow.held.append(waiting())
    assert (await bob.post(f"/api/v1/runs/open/{WAITS}/cancel")).status_code == 202
    assert airflow.ended == [WAITS]


@pytest.mark.parametrize(("error", "status"), [(Conflict("it is over"), 409), (NotAllowed("not allowed"), 403)])
async def test_what_airflow_refuses_is_told(bob, airflow, save, error, status):
    save(a_manifest(state=State.RUNNING, sealed=False, airflow=HERE))
    airflow.says = error
    answers = [await bob.post(f"{RUN}/{deed}") for deed in ("cancel", "rerun")]
    assert [(each.status_code, each.json()["detail"]) for each in answers] == [(status, str(error))] * 2


async def test_a_run_that_is_over_cannot_be_cancelled(bob, airflow, save):
    save(a_manifest(airflow=HERE))
    assert (await bob.post(f"{RUN}/cancel")).status_code == 409
    assert not airflow.ended


async def test_a_run_is_made_again_once_for_a_key(bob, airflow, save):
    save(a_manifest())
    answers = [await bob.post(f"{RUN}/rerun", headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 200]
    assert answers[0].headers["location"] == answers[1].headers["location"] != RUN
    assert airflow.orders[0].conf == {"origin": "JFK", "minimum_delay": 15, "workspace": "open"}


async def test_the_answer_to_a_key_that_was_used_tells_how_the_run_stands_now(bob, airflow, save):
    body = {"parameters": {}, "workspace": "open"}
    first = await bob.post("/api/v1/notebooks/flights_delays/runs", json=body, headers={"Idempotency-Key": "k"})
    save(a_manifest(run_id=first.json()["run_id"]))
    again = await bob.post("/api/v1/notebooks/flights_delays/runs", json=body, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["state"]) == (200, "succeeded")


async def test_a_run_whose_record_hides_a_secret_is_not_made_again(bob, airflow, save):
    save(a_manifest(parameters={"origin": "[redacted]"}))
    answer = await bob.post(f"{RUN}/rerun")
    assert (answer.status_code, [each["where"] for each in answer.json()["faults"]]) == (422, ["origin"])
    assert not airflow.orders


async def test_a_run_is_pinned_and_unpinned(bob, bucket, save):
    save(a_manifest())
    answer = await bob.put(f"{RUN}/pin", json={"why": "for the paper"})
    assert (answer.status_code, answer.json()["by"], answer.json()["why"]) == (200, "bob", "for the paper")
    assert pin_of(record_of(bucket, RUN_ID)).why == "for the paper"
    for _ in range(2):
        assert (await bob.delete(f"{RUN}/pin")).status_code == 204
    assert pin_of(record_of(bucket, RUN_ID)) is None
    assert (await bob.put(f"{RUN}/pin")).status_code == 200


@pytest.mark.parametrize(
    "run", ["open/nonsense", f"none/{RUN_ID}", f"closed/{RUN_ID}", "open/20261399T010203Z-nb-0123456789"]
)
@pytest.mark.parametrize(
    ("method", "deed"),
    [("GET", ""), ("GET", "/outputs"), ("POST", "/cancel"), ("POST", "/rerun"), ("PUT", "/pin"), ("DELETE", "/pin")],
)
async def test_what_is_not_there_or_not_theirs_is_one_answer(bob, save, run, method, deed):
    save(a_manifest())
    answer = await bob.request(method, f"/api/v1/runs/{run}{deed}")
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no such run, or you may not see it")


async def test_a_record_of_a_moment_that_there_is_not_is_no_run(bob, save):
    run_id = "20261399T010203Z-nb-0123456789"
    save(a_manifest(run_id=run_id))
    assert (await bob.get(f"/api/v1/runs/open/{run_id}")).status_code == 404
