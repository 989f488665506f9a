"""What a notebook tells of its Spark, in its record; no Spark."""

import json
import sys
import threading

from daybook.contract.manifest import MAX_SPARK_OPERATIONS
from daybook.runner.events import events_of
from daybook.runner.spark import SparkFollower, SparkStory, end_sessions

APPLICATION = {"kind": "spark", "remote": "sc://h:1", "application_id": "app", "version": "4.3.0", "ui": None}


def an_operation(number=1, **changes):
    base = {"kind": "spark_operation", "id": f"op{number}", "started_at": 1000.5, "seconds": 1.5, "state": "succeeded"}
    return {**base, "rows": 3, "tasks_done": 4, **changes}


def progress(number=1, **changes):
    base = {"kind": "spark_progress", "id": f"op{number}", "started_at": 1000.5, "seconds": 0.7, "state": "running"}
    return {**base, "stages": 1, "tasks": 8, "tasks_done": 3, **changes}


def story_of(*events):
    story = SparkStory()
    for event in events:
        story.take(event)
    return story


def test_a_record_lists_the_operations_and_the_application():
    record = story_of(APPLICATION, progress(), an_operation(tags=["mine"])).record(running=False)
    assert (record.application_id, record.operation_count, record.progress) == ("app", 1, None)
    [operation] = record.operations
    assert (operation.id, operation.rows, operation.seconds, operation.tags) == ("op1", 3, 1.5, ("mine",))
    assert operation.started_at == "1970-01-01T00:16:40.500+00:00"


def test_while_it_runs_the_record_says_how_far_it_is():
    story = story_of(APPLICATION, an_operation(1), progress(2))
    record = story.record(running=True)
    assert (record.progress.tasks_done, record.progress.tasks, record.operations) == (3, 8, ())
    story.take(an_operation(2))
    assert story.record(running=True).progress is None


def test_what_a_killed_kernel_ran_is_listed_as_failed_and_as_far_as_it_was_told():
    listener = progress(3, tasks=0)
    story = story_of(APPLICATION, progress(1), progress(2), listener, an_operation(1), progress(2, seconds=1.7))
    assert story.record(running=True).operation_count == 1
    record = story.record(running=False)
    assert record.operation_count == 2
    assert [(each.id, each.state, each.seconds) for each in record.operations] == [
        ("op1", "succeeded", 1.5),
        ("op2", "failed", 1.7),
    ]


def test_the_newest_operations_are_kept_and_all_are_counted():
    record = story_of(*map(an_operation, range(MAX_SPARK_OPERATIONS + 50))).record(running=False)
    assert record.operation_count == MAX_SPARK_OPERATIONS + 50
    assert len(record.operations) == MAX_SPARK_OPERATIONS
    assert (record.operations[0].id, record.operations[-1].id) == ("op50", f"op{MAX_SPARK_OPERATIONS + 49}")


def test_what_is_no_event_of_ours_is_passed_over():
    story = story_of(
        *({"kind": "spark", "version": 7}, {"kind": "spark_operation"}, an_operation(rows="many")),
        *(progress(tasks=-1), {"kind": "spark_session"}, {"kind": ["spark"]}, an_operation(started_at=1e300)),
    )
    assert story.record(running=False) is None


def test_without_spark_there_is_no_record_of_it():
    assert story_of({"kind": "result", "name": "a", "value": 1}).record(running=False) is None


def test_sessions_that_are_not_ended_are_known():
    begun = [{"kind": "spark_session", "session_id": each, "user_id": "anna"} for each in "ab"]
    story = story_of(*begun, {"kind": "spark_session_ended", "session_id": "a"})
    assert story.sessions == {"b": "anna"}


def test_events_are_followed_while_they_are_written(tmp_path):
    path, changed, records = tmp_path / "events", threading.Event(), []

    def note(record):
        records.append(record)
        changed.set()

    with SparkFollower(path, note) as follower:
        first, second = json.dumps(APPLICATION), json.dumps(progress())
        with path.open("a") as file:
            file.write(f'{{"kind": "result"}}\nno json "spark\n{first}\n{second[:20]}')
        assert changed.wait(20)
        assert (records[-1].application_id, records[-1].progress) == ("app", None)
        changed.clear()
        with path.open("a") as file:
            file.write(f"{second[20:]}\n")
        assert changed.wait(20)
        assert records[-1].progress.tasks == 8
        with path.open("a") as file:
            file.write(json.dumps({"kind": "spark_session", "session_id": "late", "user_id": None}) + "\n")
    assert follower.story.sessions == {"late": None}


def test_the_final_record_is_of_the_same_events(tmp_path):
    path = tmp_path / "events"
    path.write_text("".join(json.dumps(each) + "\n" for each in (APPLICATION, progress(), an_operation())))
    told = events_of(path)
    spark = told.spark.record(running=False)
    assert (spark.operation_count, spark.progress, told.lost) == (1, None, [])


def test_without_a_server_or_sessions_nothing_is_started(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere")
    end_sessions({"a": None}, {}, pytest_fails)
    end_sessions({}, {"SPARK_REMOTE": "sc://127.0.0.1:1"}, pytest_fails)


def test_a_release_that_cannot_be_started_is_told_of(monkeypatch):
    said = []
    monkeypatch.setattr(sys, "executable", "/nowhere")
    end_sessions({"a": None}, {"SPARK_REMOTE": "sc://127.0.0.1:1"}, said.append)
    assert said[0].startswith("what the notebook left running on its Spark server ends by itself in some minutes")


def pytest_fails(text):
    raise AssertionError(text)
