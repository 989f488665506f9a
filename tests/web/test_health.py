"""Health: open to everybody, bounded in time, and silent about whose buckets there are."""

import dataclasses
import threading

import pytest
from fastapi import HTTPException

from builders import a_workspace
from daybook.contract.errors import InvalidSettings, StoreFailed
from daybook.storage import open_store
from daybook.web import readiness
from daybook.web.readiness import Readiness
from daybook.workspaces import Workspaces
from web_api import program

pytestmark = pytest.mark.anyio


def bucket(*broken):
    def opened(workspace):
        if workspace.name in broken:
            raise StoreFailed(f"{workspace.bucket} does not answer")
        return open_store("memory:///")

    return opened


async def test_a_process_that_answers_is_live(world):
    async with program(world, None) as anybody:
        answer = await anybody.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"is_live": True})


async def test_all_that_is_needed_is_there(world):
    async with program(world, None) as anybody:
        answer = await anybody.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["buckets"] == {
        "is_ready": True,
        "detail": "",
        "total": 2,
        "reachable": 2,
        "unreachable": [],
    }


@pytest.mark.parametrize(
    ("user", "named"), [(None, []), ("bob", []), ("alice", ["closed"])], ids=["anybody", "stranger", "member"]
)
async def test_one_bucket_that_does_not_answer_sends_nobody_away(world, user, named):
    async with program(dataclasses.replace(world, bucket=bucket("closed")), user) as client:
        answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert (answer.json()["buckets"]["reachable"], answer.json()["buckets"]["unreachable"]) == (1, named)
    assert named or "closed" not in answer.text


async def test_a_provider_of_tokens_that_does_not_answer_sends_nobody_away_either(world):
    async def away(_):
        raise HTTPException(503, "the provider does not tell its keys now")

    async with program(dataclasses.replace(world, bucket=bucket("closed"), user=away)) as client:
        answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["buckets"]["unreachable"]) == (200, [])


def _broken():
    raise InvalidSettings("/etc/daybook/workspaces.yaml: secret")


@pytest.mark.parametrize("part", ["workspaces", "catalogue", "bucket"])
async def test_what_is_missing_is_named_by_its_kind_alone(world, part):
    port = bucket("open", "closed") if part == "bucket" else _broken
    async with program(dataclasses.replace(world, **{part: port}), None) as anybody:
        answer = await anybody.get("/health/ready")
    parts = answer.json()
    assert (answer.status_code, parts["is_ready"]) == (503, False)
    name = "buckets" if part == "bucket" else part
    assert [each for each in ("workspaces", "catalogue", "buckets") if not parts[each]["is_ready"]] == [name]
    assert "secret" not in answer.text
    assert "memory:" not in answer.text


def test_a_bucket_that_hangs_is_waited_for_only_so_long_and_asked_only_once(world, monkeypatch):
    monkeypatch.setattr(readiness, "LIMIT_SECONDS", 0.05)
    go_on, asked = threading.Event(), []

    def hangs(workspace):
        asked.append(workspace.name)
        go_on.wait()
        return open_store("memory:///")

    now = [0.0]
    found = Workspaces(workspaces=(a_workspace(name="slow"),))
    here = dataclasses.replace(world, bucket=hangs, workspaces=lambda: found)
    ready = Readiness(here, lambda: now[0])
    try:
        for _ in range(3):
            assert ready.look().unreachable == ("slow",)
            now[0] += 60
        assert asked == ["slow"]
    finally:
        go_on.set()


def test_a_look_serves_for_some_seconds(world):
    looks, now = [], [0.0]

    def opened(workspace):
        looks.append(workspace.name)
        return open_store("memory:///")

    ready = Readiness(dataclasses.replace(world, bucket=opened), lambda: now[0])
    ready.look()
    ready.look()
    assert len(looks) == 2
    now[0] += readiness.FRESH_SECONDS + 1
    ready.look()
    assert len(looks) == 4
