"""What a server tells its workspace's bucket, from its start to its end."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from daybook.contract.errors import ExitCode
from daybook.contract.spark_pod import SparkPod
from daybook.contract.spark_server import SparkBucket, SparkServerRequest
from daybook.contract.spark_state import CURRENT_SECONDS, FORGOTTEN_SECONDS, SparkServerState, SparkState
from daybook.spark.announcing import Announcing
from daybook.storage import open_store
from daybook.storage.spark_states import forget_old_spark_states, send_to_spark, spark_states, tell_spark_state

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def a_pod(bucket="memory:///"):
    server = SparkServerRequest(workspace="flights", bucket=SparkBucket(url=bucket))
    return SparkPod(name="daybook-spark-flights-0123", server=server, idle_seconds=60, start_seconds=60)


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "bucket"))


@pytest.fixture
def ready(tmp_path):
    return tmp_path / "ready"


@pytest.fixture
def said():
    return []


@pytest.fixture
def announcing(store, ready, said):
    made = Announcing(store, a_pod(), "10.1.2.3", ready, said.append)
    yield made
    made.ended(ExitCode.SUCCEEDED)


def until(look, seconds=60.0):
    """What a look gives, once it gives something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)
    return found


def the_one(store):
    found = spark_states(store)
    return found[0] if found else None


def test_it_tells_that_it_starts_and_where_it_will_be(store, announcing):
    told = until(lambda: the_one(store))
    assert (told.state, told.workspace, told.sessions) == (SparkState.STARTS, "flights", None)
    assert (told.remote, told.ui) == ("sc://10.1.2.3:15002", "http://10.1.2.3:4040")


def test_it_answers_once_the_mark_is_there_and_counts_its_sessions(store, announcing, ready):
    announcing.looked(2)
    assert until(lambda: the_one(store)).state is SparkState.STARTS
    ready.touch()
    announcing.looked(2)
    until(lambda: the_one(store).state is SparkState.ANSWERS and the_one(store).sessions == 2)
    announcing.looked(3)
    until(lambda: the_one(store).sessions == 3)


def test_a_server_that_is_too_busy_to_count_is_not_said_to_have_no_sessions(store, announcing, ready):
    ready.touch()
    announcing.looked(2)
    until(lambda: the_one(store) and the_one(store).sessions == 2)
    announcing.looked(None)
    assert announcing._state.sessions == 2


def test_the_line_that_says_that_it_answers_is_enough(store, announcing, ready, said):
    until(lambda: the_one(store))
    ready.touch()
    announcing.hear("The Spark server answers, 4.0 s after its start")
    until(lambda: the_one(store).state is SparkState.ANSWERS)
    assert said == ["The Spark server answers, 4.0 s after its start"]


def test_a_server_that_was_not_needed_any_more_is_forgotten(store, announcing):
    until(lambda: the_one(store))
    announcing.ended(ExitCode.SUCCEEDED)
    assert the_one(store) is None


def test_a_server_that_failed_says_why_however_soon_it_ends(store, ready, said):
    announcing = Announcing(store, a_pod(), "10.1.2.3", ready, said.append)
    announcing.hear("The Spark server failed: its Java ended with exit code 1")
    announcing.ended(ExitCode.INFRASTRUCTURE_FAILED)
    told = the_one(store)
    assert (told.state, told.why) == (SparkState.FAILED, "The Spark server failed: its Java ended with exit code 1")


def test_a_server_that_was_never_started_says_why(store, announcing, said):
    announcing.refused("Spark needs Java 17 or newer and there is none here")
    assert (the_one(store).state, the_one(store).why) == (
        SparkState.FAILED,
        "Spark needs Java 17 or newer and there is none here",
    )
    assert said == [], "whoever raised it says it"


def test_a_bucket_that_does_not_take_it_is_told_once_and_ends_nothing(tmp_path, ready, said):
    blocked = tmp_path / "bucket"
    store = open_store(str(blocked))
    (blocked / "spark").write_text("a file where the folder should be")
    announcing = Announcing(store, a_pod(), "10.1.2.3", ready, said.append)
    until(lambda: said)
    ready.touch()
    announcing.looked(1)
    announcing.ended(ExitCode.INFRASTRUCTURE_FAILED)
    assert len(said) == 1
    assert "The pages are not told" in said[0]


def test_what_a_killed_server_said_becomes_silent_and_is_forgotten_in_the_end(store):
    def state(name, seconds, **changes):
        told = NOW - timedelta(seconds=seconds)
        given = {"workspace": "flights", "state": SparkState.ANSWERS, "sessions": 2, "started_at": told}
        return SparkServerState(name=name, told_at=told, **{**given, **changes})

    for each in (
        state("current", CURRENT_SECONDS - 1),
        state("killed", CURRENT_SECONDS + 1),
        state("failed", CURRENT_SECONDS + 2, state=SparkState.FAILED, why="no Java"),
        state("old", FORGOTTEN_SECONDS + 1),
    ):
        tell_spark_state(store, each)
    store.write("spark/servers/odd.json", b'{"name": 1}')
    found = {each.name: (each.state, each.sessions) for each in spark_states(store, NOW)}
    assert found == {
        "current": (SparkState.ANSWERS, 2),
        "killed": (SparkState.SILENT, None),
        "failed": (SparkState.FAILED, 2),
    }


def test_it_knows_when_a_run_was_last_sent_to_it_and_forgets_it_a_day_later(store, announcing):
    assert announcing.since_sent() is None
    send_to_spark(store, "daybook-spark-flights-0123")
    assert announcing.since_sent() >= 0
    forget_old_spark_states(store, datetime.now(UTC) + timedelta(seconds=FORGOTTEN_SECONDS))
    assert announcing.since_sent() is None


def test_a_bucket_that_does_not_tell_who_is_on_the_way_keeps_no_server(tmp_path, ready, said):
    store = open_store(str(tmp_path / "bucket"))
    (tmp_path / "bucket" / "spark").mkdir()
    (tmp_path / "bucket" / "spark" / "sent").write_text("a file where the folder should be")
    announcing = Announcing(store, a_pod(), "10.1.2.3", ready, said.append)
    assert announcing.since_sent() is None
    announcing.ended(ExitCode.SUCCEEDED)


def test_a_bucket_that_cannot_be_opened_is_no_reason_not_to_serve(ready, said):
    announcing = Announcing.of(a_pod("ftp://nowhere"), "10.1.2.3", ready, {}, said.append)
    announcing.ended(ExitCode.SUCCEEDED)
    assert "The pages are not told" in said[0]
