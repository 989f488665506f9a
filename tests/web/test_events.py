"""A run's progress as server-sent events."""

import asyncio
import dataclasses
from datetime import UTC, datetime

import pytest

from builders import ASKED_AT, RUN_ID, a_manifest, a_run_id
from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import CellCounts, State
from daybook.storage import record_of
from daybook.web import headers
from daybook.web.api import events
from daybook.web.app import create_app
from daybook.web.live import watching
from daybook.web.runs import NO_SUCH_RUN
from daybook.web.world import Asked
from web.streams import listening
from web_api import ports_of

pytestmark = pytest.mark.anyio

PATH = f"/api/v1/runs/open/{RUN_ID}/events"


def running(**changes):
    given = {"state": State.RUNNING, "sealed": False, "sealed_by": None, "exit_code": None, "results": {}}
    return a_manifest(**{**given, "cells": CellCounts(total=5, succeeded=1, current=1), **changes})


def asked(run_id=RUN_ID, workspace="open"):
    return Asked(run_id, "flights_delays", workspace, "bob", ASKED_AT, "flights_delays", "manual__1", "queued")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(watching, "AGAIN_SECONDS", 0.01)


async def test_each_change_of_the_record_is_told_until_the_seal_and_then_the_end(world, bucket, save):
    save(running())
    async with listening(create_app(world), PATH) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert {name: stream.headers[name.lower()] for name in headers.EVENTS} == headers.EVENTS
        first = await stream.state()
        assert (first["state"], first["cells"]["succeeded"], first["cells"]["current"]) == ("running", 1, 1)
        assert (first["run_id"], first["attempt"], first["sealed"]) == (RUN_ID, 1, False)
        save(running(cells=CellCounts(total=5, succeeded=2, current=2)))
        assert (await stream.state())["cells"]["succeeded"] == 2
        save(a_manifest())
        last = await stream.state()
        assert (last["state"], last["sealed"], last["results"]) == ("succeeded", True, {"mean_delay": 12.3})
        assert await stream.message() == {"id": "end", "event": "end", "data": "{}"}
        assert await stream.message() is None


async def test_whoever_has_heard_the_end_and_comes_again_by_itself_is_told_to_stay_away(client, save):
    """An EventSource that does not know of `end` would come three times a second, for ever."""
    save(a_manifest())
    told = [await client.get(PATH, headers={"Last-Event-ID": text}) for text in ("end", "7", "")]
    assert [each.status_code for each in told] == [204, 200, 200]
    assert told[0].content == b""
    assert all(each.text.endswith("id: end\nevent: end\ndata: {}\n\n") for each in told[1:])
    stranger = await client.get(PATH.replace("open", "closed"), headers={"Last-Event-ID": "end"})
    assert stranger.status_code == 404


async def test_messages_have_numbers_and_say_how_soon_to_come_again(world, save):
    save(running())
    async with listening(create_app(world), PATH) as stream:
        assert await stream.message() == {"retry": str(events.COME_AGAIN_MILLISECONDS)}
        assert (await stream.message())["id"] == "1"
        save(running(message="on its way"))
        assert (await stream.message())["id"] == "2"


async def test_a_run_that_only_airflow_knows_is_told_as_queued_and_then_as_its_record_says(world, save):
    app = create_app(
        dataclasses.replace(world, **ports_of(lambda workspace: [asked()] if workspace.name == "open" else []))
    )
    async with listening(app, PATH) as stream:
        first = await stream.state()
        assert (first["state"], first["attempt"], first["timings"]["queued_at"]) == ("queued", 0, ASKED_AT.isoformat())
        save(running())
        assert (await stream.state())["state"] == "running"


async def test_a_run_that_airflow_lets_go_without_a_record_is_gone(world, monkeypatch):
    monkeypatch.setattr("daybook.web.live.looking.WAITING_SECONDS", 0.0)
    held = [asked()]
    app = create_app(dataclasses.replace(world, **ports_of(lambda _: held)))
    async with listening(app, PATH) as stream:
        assert not (await stream.state())["gone"]
        held.clear()
        assert (await stream.state())["gone"]
        assert (await stream.message())["event"] == "end"


async def test_a_bucket_that_does_not_answer_for_a_while_is_told_and_no_end(world, bucket, save, monkeypatch):
    save(running())
    async with listening(create_app(world), PATH) as stream:
        await stream.state()
        read = type(bucket).read_newer

        def fail(*_):
            raise StoreFailed("cannot read s3://bucket/x: connection refused")

        monkeypatch.setattr(type(bucket), "read_newer", fail)
        told = await stream.state()
        assert (told["trouble"], told["state"]) == ("cannot read s3://bucket/x: connection refused", "running")
        monkeypatch.setattr(type(bucket), "read_newer", read)
        assert (await stream.state())["trouble"] is None


async def test_what_is_silent_says_that_it_is_there(world, save, monkeypatch):
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.01)
    save(running())
    async with listening(create_app(world), PATH) as stream:
        await stream.state()
        assert await stream.message() == {"": "nothing new"}


async def test_an_answer_ends_after_its_time_so_that_whoever_follows_is_asked_again_who_they_are(
    world, save, monkeypatch
):
    monkeypatch.setattr(events, "STREAM_SECONDS", (0.05, 0.05))
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.01)
    save(running())
    async with listening(create_app(world), PATH) as stream:
        messages = []
        while (message := await stream.message()) is not None:
            messages.append(message)
    assert not [each for each in messages if each.get("event") == "end"]


async def test_the_newest_is_all_that_somebody_who_comes_late_gets(world, save):
    app = create_app(world)
    save(running())
    async with listening(app, PATH) as first:
        await first.state()
        save(running(message="later"))
        await first.state()
        async with listening(app, PATH, "alice") as second:
            assert (await second.state())["message"] == "later"


async def test_nobody_is_left_when_all_have_gone(world, save):
    app = create_app(world)
    save(running())
    async with listening(app, PATH) as one, listening(app, PATH, "alice") as other:
        await one.state(), await other.state()
        (watcher,) = app.state.site.live._watchers.values()
        assert watcher.viewers == 2
    await asyncio.wait([watcher._task], timeout=60)
    assert watcher.has_ended
    assert app.state.site.live._watchers == {}
    assert not app.state.site.live._users


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/runs/closed/{RUN_ID}/events",
        f"/api/v1/runs/nowhere/{RUN_ID}/events",
        f"/api/v1/runs/open/{a_run_id('none')}/events",
        "/api/v1/runs/open/nonsense/events",
    ],
)
async def test_strangers_and_unknown_runs_get_the_one_answer(client, save, path):
    save(running())
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["detail"]) == (404, NO_SUCH_RUN)


async def test_beyond_what_can_be_followed_a_page_is_told_to_come_later(client, save, monkeypatch):
    monkeypatch.setattr(watching, "MAX_RUNS", 0)
    save(running())
    answer = await client.get(PATH)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "more runs are being followed than can be" in answer.text


async def test_one_user_cannot_take_all_the_room(world, client, save, monkeypatch):
    monkeypatch.setattr(watching, "MAX_VIEWERS_OF_ONE_USER", 1)
    app = create_app(world)
    save(running())
    async with listening(app, PATH) as first:
        await first.state()
        async with listening(app, PATH) as second:
            assert second.status == 503
        async with listening(app, PATH, "alice") as other:
            assert (await other.state())["state"] == "running"


async def test_what_a_record_says_cannot_break_out_of_its_message(world, save):
    hostile = "\n\nevent: end\ndata: {}\n\n\r\u2028"
    save(running(message=hostile))
    async with listening(create_app(world), PATH) as stream:
        assert (await stream.state())["message"] == hostile


async def test_another_attempt_is_told(world, save):
    save(running())
    async with listening(create_app(world), PATH) as stream:
        await stream.state()
        save(running(attempt=2))
        assert (await stream.state())["attempt"] == 2


async def test_a_record_that_is_replaced_by_another_runs_is_not_told(world, bucket, save):
    save(running())
    async with listening(create_app(world), PATH) as stream:
        await stream.state()
        other = running(run_id=a_run_id("other"), message="secret")
        record_of(bucket, RUN_ID).store.write("manifest.json", other.to_json().encode())
        assert (await stream.state())["gone"]


async def test_the_time_is_that_of_the_record(world, save):
    save(running())
    async with listening(create_app(world), PATH) as stream:
        started = (await stream.state())["timings"]["started_at"]
    assert datetime.fromisoformat(started).tzinfo == UTC
