"""Metrics: right numbers, few series, and nobody sees another workspace's."""

import dataclasses
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from builders import ASKED_AT, a_manifest, a_run_id, an_output
from daybook.contract.manifest import NotebookRecord, Reason, State, Timings
from daybook.storage import open_store, record_of
from daybook.web import counting
from daybook.web.settings import WebSettings
from daybook.web.world import Asked
from web_api import Airflow, program, with_airflow
from web_notebooks import a_notebook

pytestmark = pytest.mark.anyio

TOKEN = "a scrapers token"


@pytest.fixture
def buckets():
    return {"open": open_store("memory:///"), "closed": open_store("memory:///")}


@pytest.fixture
def here(world, buckets, tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    settings = WebSettings(mount="", metrics_token_file=file)
    notebooks = (a_notebook("flights_delays"), a_notebook("nb"))
    return with_airflow(world, Airflow(), *notebooks, bucket=lambda each: buckets[each.name], settings=settings)


def put(bucket, number=0, notebook="flights_delays", **changes):
    run_id = a_run_id(notebook, ASKED_AT + timedelta(seconds=number))
    record = NotebookRecord(id=notebook, source="x")
    record_of(bucket, run_id).write(a_manifest(run_id=run_id, notebook=record, **changes))


async def samples(world, user=TOKEN, get="/metrics"):
    async with program(world, user) as client:
        answer = await client.get(get)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def labels(**given):
    return frozenset(given.items())


OPEN = {"workspace": "open", "notebook": "flights_delays"}


async def test_runs_are_counted_by_state_and_reason_with_durations_and_bytes(here, buckets):
    put(buckets["open"], 0, outputs=(an_output(size=100),), timings=Timings(duration_seconds=4.0))
    put(buckets["open"], 1, outputs=(an_output(size=11),), timings=Timings(duration_seconds=40.0))
    put(buckets["open"], 2, state=State.FAILED, reason=Reason.CELL_ERROR, timings=Timings())
    found = await samples(here)
    assert found["daybook_runs", labels(**OPEN, state="succeeded", reason="")] == 2
    assert found["daybook_runs", labels(**OPEN, state="failed", reason="cell_error")] == 1
    assert found["daybook_run_output_bytes", labels(**OPEN)] == 111
    took = "daybook_run_duration_seconds"
    assert (found[f"{took}_count", labels(**OPEN)], found[f"{took}_sum", labels(**OPEN)]) == (2, 44)
    below = [found[f"{took}_bucket", labels(**OPEN, le=le)] for le in ("1.0", "5.0", "60.0", "+Inf")]
    assert below == [0, 1, 2, 2]


async def test_runs_that_wait_are_counted(here):
    asked = [Asked(a_run_id("nb"), "nb", "open", "bob", ASKED_AT, "nb", "manual__1", "queued")]
    world = dataclasses.replace(here, waiting=lambda each: asked if each.name == "open" else [])
    found = await samples(world)
    assert found["daybook_runs_waiting", labels(workspace="open")] == 1
    assert found["daybook_runs_waiting", labels(workspace="closed")] == 0


async def test_a_user_sees_their_own_workspaces_only(here, buckets):
    put(buckets["open"])
    put(buckets["closed"], notebook="nb")
    bob, alice = await samples(here, "bob"), await samples(here, "alice")
    assert {dict(key)["workspace"] for _, key in bob} == {"open"}
    assert {dict(key)["workspace"] for _, key in alice} == {"open", "closed"}
    assert not [name for name, _ in bob if "http" in name]


@pytest.mark.parametrize("user", [None, ""])
async def test_nobody_sees_nothing(here, user):
    async with program(here, None) as anybody:
        assert (await anybody.get("/metrics")).status_code == 401


async def test_a_token_that_was_changed_counts_at_once(here):
    async with program(here, None) as scraper:
        here.settings.metrics_token_file.write_text("another token for it")
        old, new = [
            await scraper.get("/metrics", headers={"Authorization": f"Bearer {token}"})
            for token in (TOKEN, "another token for it")
        ]
    assert "daybook_http" not in old.text  # in these tests it is a user's name, who sees what is theirs
    assert "daybook_http" in new.text


async def test_without_a_scrapers_token_none_is_good(here):
    settings = dataclasses.replace(here.settings, metrics_token_file=None)
    async with program(dataclasses.replace(here, settings=settings), None) as anybody:
        assert (await anybody.get("/metrics", headers={"Authorization": "Bearer "})).status_code == 401


async def test_an_id_that_only_a_record_holds_makes_no_series(here, buckets):
    put(buckets["open"], notebook="made up")
    found = await samples(here)
    assert {dict(key)["notebook"] for name, key in found if name == "daybook_runs"} == {"other"}


async def test_records_and_paths_make_no_series(here, buckets, monkeypatch):
    monkeypatch.setattr(counting, "MAX_NOTEBOOKS", 1)
    for number in range(3):
        put(buckets["open"], number)
    put(buckets["open"], 3, notebook="nb")
    put(buckets["open"], 4, notebook="made up by a notebook\n{}")
    async with program(here, TOKEN) as scraper:
        for number in range(20):
            await scraper.get(f"/runs/open/{number}")
            await scraper.get(f"/nowhere/{number}")
            await scraper.request(f"METHOD{number}", "/")
        text = (await scraper.get("/metrics")).text
    found = list(text_string_to_metric_families(text))
    runs = next(each for each in found if each.name == "daybook_runs")
    assert {s.labels["notebook"]: s.value for s in runs.samples} == {"flights_delays": 3, "other": 2}
    requests = next(each for each in found if each.name == "daybook_http_requests")
    routes = {s.labels["route"] for s in requests.samples}
    assert routes == {"/runs/{workspace}/{run_id}", "other", "/"}
    assert {s.labels["method"] for s in requests.samples} == {"GET", "other"}


async def test_requests_are_counted_with_how_long_they_took(here):
    async with program(here, TOKEN) as scraper:
        await scraper.get("/health/live")
        await scraper.get("/health/live")
        text = (await scraper.get("/metrics")).text
    assert 'daybook_http_requests_total{method="GET",route="/health/live",status="200"} 2.0' in text
    assert 'daybook_http_request_seconds_count{method="GET",route="/health/live"} 2.0' in text


async def test_two_apps_of_one_process_share_no_numbers(here):
    async with program(here, TOKEN) as one, program(here, TOKEN) as other:
        await one.get("/health/live")
        assert "/health/live" not in (await other.get("/metrics")).text
