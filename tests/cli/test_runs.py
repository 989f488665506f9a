"""`run`, `runs`, `show`, `cancel`: the commands with a folder as bucket and a server that answers as Airflow does."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builders import an_output
from cli.fake_airflow import ASKED, DAG_RUN, RUN, WHERE, manifest, running, write
from cli.serving import free_ports
from daybook.catalogue import Notebook
from daybook.contract import keys
from daybook.contract.manifest import CellCounts, CellError, DatabricksRecord, Reason, State, Timings
from daybook.storage import open_store


def test_run_asks_follows_and_shows_everything(daybook, airflow, bucket):
    def meanwhile(look):
        if look == 1:
            write(bucket, running(cells=CellCounts(total=2, succeeded=1, not_run=1)))
        if look == 2:
            write(bucket, manifest(outputs=(an_output("a b.csv"),)))
            airflow.state = "success"

    airflow.meanwhile = meanwhile
    code, out, err = daybook("run", "echo", "-p", "word=ho", "-p", "times=2")
    assert code == 0
    assert airflow.conf == {"word": "ho", "times": 2, "workspace": "local"}
    assert f"run {RUN}" in err
    assert "running, 1 of 2 cells done" in err
    assert "echo succeeded in 12.0 s" in out
    assert "mean_delay = 12.3" in out
    folder = Path(open_store(bucket.url).url_of(keys.run_prefix(RUN)).removeprefix("file://"))
    assert f"{folder}/outputs/a b.csv  (3 bytes)" in out
    assert f"{folder}/notebook.html" in out
    assert f"https://airflow.example/notebooks/runs/local/{RUN}" in out


def test_run_as_json_is_one_document(daybook, airflow, bucket):
    write(bucket, manifest(outputs=(an_output(),)))
    code, out, err = daybook("run", "echo", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["run_id"] == RUN
    assert found["exit_code"] == 0
    assert found["results"] == {"mean_delay": 12.3}
    assert found["outputs"][0]["url"].startswith("file://")
    assert found["airflow"]["run_id"] == DAG_RUN


def test_a_refused_request_names_every_fault_and_asks_nothing(daybook, airflow):
    code, out, err = daybook("run", "echo", "-p", "times=x", "-p", "wrd=1", "--workspace", "nowhere")
    assert code == 2
    assert out == ""
    for word in ("times", "wrd", "there is no workspace 'nowhere'"):
        assert word in err
    assert airflow.conf is None


def test_settings_of_one_run_are_asked_for(daybook, airflow):
    code, _, err = daybook("run", "echo", "--no-follow", "--set", "memory=4Gi", "--set", "timeout_seconds=60")
    assert (code, airflow.conf["run_settings"]) == (0, {"memory": "4Gi", "timeout_seconds": 60}), err


def test_settings_that_will_not_do_are_named_with_the_other_faults(daybook, airflow):
    code, _, err = daybook("run", "echo", "-p", "wrd=1", "--set", "gpu=1", "--set", "memory=lots")
    assert code == 2
    for word in ("wrd", "run_settings.gpu", "run_settings.memory"):
        assert word in err
    assert airflow.conf is None


def test_a_run_for_which_nobody_names_a_workspace_is_where_the_catalogue_says(daybook, airflow, monkeypatch):
    monkeypatch.setattr(Notebook, "default_workspace", property(lambda notebook: "other"))
    daybook("run", "echo", "--no-follow")
    assert airflow.conf["workspace"] == "other"


def test_an_unknown_notebook_is_named_with_a_suggestion(daybook):
    code, _, err = daybook("run", "eko")
    assert code == 2
    assert "'eko'" in err
    assert "echo" in err


@pytest.mark.parametrize(
    ("state", "reason", "code"),
    [
        (State.FAILED, Reason.CELL_ERROR, 1),
        (State.FAILED, Reason.INVALID_REQUEST, 2),
        (State.LOST, Reason.POD_GONE, 3),
        (State.INTERRUPTED, Reason.TERMINATED, 143),
    ],
)
def test_the_exit_code_is_the_runs(daybook, airflow, bucket, state, reason, code):
    airflow.state = "failed"
    error = CellError(cell=3, name="ValueError", value="no", traceback="Traceback\nValueError: no")
    write(bucket, manifest(state=state, reason=reason, message="it did not work", exit_code=code, error=error))
    found, out, _ = daybook("run", "echo")
    assert found == code
    assert f"echo {state}" in out
    assert f"{reason}: it did not work" in out
    assert "cell 3: ValueError: no" in out
    assert "| Traceback" in out


def test_a_failed_attempt_that_airflow_tries_again_is_not_the_end(daybook, airflow, bucket):
    failed = manifest(state=State.LOST, reason=Reason.POD_GONE, results={}, exit_code=3)
    write(bucket, failed)
    airflow.state = "running"

    def meanwhile(look):
        if look == 2:
            write(bucket, manifest(attempt=2))

    airflow.meanwhile = meanwhile
    code, out, _ = daybook("run", "echo")
    assert code == 0
    assert "(attempt 2)" in out


def test_a_run_that_airflow_ends_before_it_has_a_record_tells_why(daybook, airflow):
    airflow.state = "failed"
    airflow.log = [{"event": "x", "level": "error", "error_detail": [{"exc_value": "not allowed: workspace: bob"}]}]
    code, out, _ = daybook("run", "echo")
    assert code == 3
    assert "before it had a record" in out
    assert "not allowed: workspace: bob" in out


def test_a_record_that_nobody_sealed_is_no_success(daybook, airflow, bucket):
    airflow.state = "success"
    write(bucket, running())
    code, _, err = daybook("run", "echo")
    assert code == 3
    assert "bug" not in err


def test_a_notebook_that_airflow_has_not_seen_yet_is_waited_for(daybook, airflow):
    airflow.unseen = 2
    code, out, err = daybook("run", "echo", "--no-follow")
    assert code == 0
    assert f"asked for run {RUN}" in out
    assert err.count("waiting for Airflow to see the new notebook") == 1
    assert airflow.conf == {"word": "hi", "times": 1, "workspace": "local"}


def test_a_notebook_that_airflow_never_sees_is_one_clear_error(daybook, airflow, monkeypatch):
    monkeypatch.setattr("daybook.cli.triggering.NEW_DAG_SECONDS", 0.1)
    airflow.unseen = 1000
    code, out, err = daybook("run", "echo")
    assert code == 2
    assert out == ""
    assert "no such DAG" in err
    assert airflow.conf is None


def test_without_following_the_run_is_only_asked_for(daybook, airflow):
    code, out, _ = daybook("run", "echo", "--no-follow", "--json")
    assert code == 0
    assert json.loads(out)["state"] == "queued"
    assert json.loads(out)["run_id"] == RUN
    assert airflow.looks == 0


def test_ctrl_c_leaves_the_run_alone_and_says_how_to_go_on(daybook, airflow, bucket):
    import signal

    write(bucket, running())
    airflow.meanwhile = lambda look: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    code, _, err = daybook("run", "echo")
    assert code == 130
    assert f"daybook show {RUN} --follow" in err
    assert f"daybook cancel {RUN}" in err
    assert airflow.patched == []


def others(bucket) -> list[str]:
    made = []
    for day, state in ((20, State.SUCCEEDED), (21, State.FAILED), (22, State.SUCCEEDED)):
        moment = datetime(2026, 11, day, tzinfo=UTC)
        run = keys.run_id("echo", moment, str(day))
        write(bucket, manifest(run_id=run, state=state, timings=Timings(queued_at=moment.isoformat()), airflow=None))
        made.insert(0, run)
    return made


def listed(out: str) -> list[str]:
    return [each["run_id"] for each in json.loads(out)["runs"]]


def test_runs_are_listed_newest_first_across_workspaces(daybook, bucket, tmp_path):
    made = others(bucket)
    late = manifest(workspace="other")
    write(open_store((tmp_path / "other").as_uri()), late)
    assert listed(daybook("runs", "--json")[1]) == [RUN, *made]
    assert listed(daybook("runs", "--json", "--limit", "2")[1]) == [RUN, made[0]]
    assert listed(daybook("runs", "--json", "--workspace", "local")[1]) == made
    assert listed(daybook("runs", "--json", "--state", "failed")[1]) == [made[1]]
    assert listed(daybook("runs", "--json", "--notebook", "other")[1]) == []


def test_the_table_of_runs_holds_whole_ids(daybook, bucket):
    made = others(bucket)
    _, out, _ = daybook("runs")
    for run in made:
        assert run in out


def test_no_runs_and_no_such_state_are_said(daybook):
    assert daybook("runs")[1] == "There are no such runs.\n"
    code, _, err = daybook("runs", "--state", "dead")
    assert code == 2
    assert "succeeded" in err


def spoil(bucket, run: str) -> None:
    bucket.below(keys.run_prefix(run)).write("manifest.json", b"{]", "application/json")


def test_an_unreadable_record_is_named_and_hides_no_other(daybook, bucket):
    made = others(bucket)
    spoil(bucket, made[1])
    code, out, err = daybook("runs", "--limit", "2")
    assert code == 0
    assert made[0] in out
    assert made[2] in out
    assert made[1] not in out
    assert err.startswith(f"warning: run {made[1]} in workspace local: ")
    assert "is not a manifest that this Daybook reads" in err
    code, out, err = daybook("runs", "--json")
    first, second, third = json.loads(out)["runs"]
    assert (code, err) == (0, "")
    assert (first["run_id"], third["run_id"]) == (made[0], made[2])
    assert (second["run_id"], second["workspace"]) == (made[1], "local")
    assert "is not a manifest" in second["fault"]


def test_an_unreadable_record_is_in_nobodys_way_when_an_airflow_id_is_looked_for(daybook, bucket):
    made = others(bucket)
    spoil(bucket, made[0])
    write(bucket, manifest())
    code, out, _ = daybook("show", DAG_RUN, "--json")
    assert code == 0
    assert json.loads(out)["run_id"] == RUN


@pytest.mark.parametrize("piece", [RUN, RUN[-10:], RUN[:20], DAG_RUN])
def test_a_run_is_found_by_what_one_has_at_hand(daybook, bucket, piece):
    others(bucket)
    write(bucket, manifest())
    code, out, _ = daybook("show", piece, "--json")
    assert code == 0
    assert json.loads(out)["run_id"] == RUN


def test_a_piece_that_fits_several_runs_names_them(daybook, bucket):
    made = others(bucket)
    code, _, err = daybook("show", "202611")
    assert code == 2
    for run in made:
        assert run in err


@pytest.mark.parametrize("piece", ["nope", "", "../../etc/passwd", "20261123T010203Z-x-0123456789"])
def test_no_such_run_is_said(daybook, piece):
    code, out, err = daybook("show", piece)
    assert code == 2
    assert out == ""
    assert "run" in err


def test_show_tells_of_the_cluster(daybook, bucket):
    cluster = DatabricksRecord(cluster_id="1126-1-a", runtime_version="15.4.x", driver_log="https://x/#log")
    write(bucket, manifest(databricks=cluster))
    _, out, _ = daybook("show", RUN)
    assert "cluster 1126-1-a (runtime 15.4.x)" in out
    assert "https://x/#log" in out


def test_show_can_wait_for_the_end(daybook, airflow, bucket):
    write(bucket, running())

    def meanwhile(look):
        if look == 2:
            write(bucket, manifest(state=State.FAILED, reason=Reason.CELL_ERROR, exit_code=1))
            airflow.state = "failed"

    airflow.meanwhile = meanwhile
    code, out, _ = daybook("show", RUN, "--follow")
    assert code == 1
    assert "echo failed" in out


def test_cancel_ends_the_run_through_airflow_and_waits_for_the_seal(daybook, airflow, bucket):
    write(bucket, running())

    def meanwhile(_):
        airflow.state = "failed"
        write(bucket, manifest(state=State.INTERRUPTED, reason=Reason.TERMINATED, exit_code=143))

    airflow.meanwhile = meanwhile
    code, out, _ = daybook("cancel", RUN)
    assert code == 0
    assert airflow.patched == [(f"/api/v2/dags/echo/dagRuns/{DAG_RUN}", {"state": "failed"})]
    assert "echo interrupted" in out


def test_a_run_that_began_to_wait_just_now_is_ended_once_a_triggerer_has_it(daybook, airflow, bucket):
    write(bucket, running())
    airflow.triggerers = [None, None, 7, None]
    daybook("cancel", RUN, "--timeout", "0")
    assert airflow.triggerers == [None]
    assert airflow.patched == [(f"/api/v2/dags/echo/dagRuns/{DAG_RUN}", {"state": "failed"})]


def test_cancelling_one_of_several_tasks_leaves_the_others(daybook, airflow, bucket):
    where = WHERE.model_copy(update={"task_id": "each", "map_index": 3})
    write(bucket, running(airflow=where))
    daybook("cancel", RUN, "--timeout", "0")
    assert airflow.patched == [
        (f"/api/v2/dags/echo/dagRuns/{DAG_RUN}/taskInstances/each/3", {"new_state": "failed"}),
    ]


def test_cancel_says_when_the_seal_does_not_come(daybook, bucket):
    write(bucket, running())
    code, _, err = daybook("cancel", RUN, "--timeout", "1")
    assert code == 3
    assert "not sealed after 1 s" in err


def test_a_run_that_is_over_cannot_be_cancelled(daybook, airflow, bucket):
    write(bucket, manifest())
    code, _, err = daybook("cancel", RUN)
    assert code == 2
    assert "is over: it succeeded" in err
    assert airflow.patched == []


def test_a_run_that_airflow_did_not_start_cannot_be_cancelled_there(daybook, bucket):
    write(bucket, running(airflow=None))
    code, _, err = daybook("cancel", RUN)
    assert code == 2
    assert "not started by Airflow" in err


@pytest.mark.parametrize("piece", [RUN, RUN[-10:], RUN[:20], DAG_RUN])
@pytest.mark.parametrize("airflow_state", ["queued", "running"])
def test_a_run_that_waits_in_airflow_is_shown_as_queued(daybook, airflow, piece, airflow_state):
    airflow.state = airflow_state
    airflow.conf = {}
    code, out, err = daybook("show", piece)
    assert (code, err) == (0, "")
    assert out.startswith("echo queued\n")
    assert f"run         {RUN}\n" in out
    found = json.loads(daybook("show", piece, "--json")[1])
    assert (found["run_id"], found["state"], found["workspace"], found["sealed"]) == (RUN, "queued", "local", False)
    assert (found["airflow"]["dag_id"], found["airflow"]["run_id"]) == ("echo", DAG_RUN)
    assert found["page"] == f"https://airflow.example/notebooks/runs/local/{RUN}"


def test_a_waiting_run_lies_where_its_request_says(daybook, airflow):
    airflow.conf = {"workspace": "other"}
    assert json.loads(daybook("show", RUN, "--json")[1])["workspace"] == "other"


def test_a_waiting_run_of_the_dag_for_any_notebook_is_found(daybook, airflow):
    airflow.dag_id, airflow.conf = "run_notebook", {"notebook": "echo", "workspace": "other"}
    run = keys.airflow_run_id("echo", ASKED, "run_notebook", DAG_RUN)
    assert json.loads(daybook("show", DAG_RUN, "--json")[1])["run_id"] == run


def test_a_run_of_somebody_elses_dag_is_none_of_ours(daybook, airflow):
    airflow.dag_id, airflow.conf = "payroll", {}
    code, _, err = daybook("cancel", DAG_RUN)
    assert code == 2
    assert "fits no run" in err
    assert airflow.patched == []


@pytest.mark.parametrize("piece", [RUN, DAG_RUN])
def test_a_run_that_waits_in_airflow_can_be_cancelled(daybook, airflow, piece):
    airflow.conf = {}

    def meanwhile(_):
        airflow.state, airflow.task_state = "failed", "skipped"

    airflow.meanwhile = meanwhile
    code, out, err = daybook("cancel", piece)
    assert code == 0
    assert airflow.patched == [(f"/api/v2/dags/echo/dagRuns/{DAG_RUN}", {"state": "failed"})]
    assert "echo interrupted: cancelled before it began" in out
    assert RUN in err


def test_a_waiting_run_that_begins_as_it_is_cancelled_is_waited_for(daybook, airflow, bucket):
    airflow.conf = {}

    def meanwhile(_):
        airflow.state, airflow.task_state = "failed", "failed"
        write(bucket, manifest(state=State.INTERRUPTED, reason=Reason.CANCELLED, exit_code=143))

    airflow.meanwhile = meanwhile
    code, out, _ = daybook("cancel", RUN, "--json")
    found = json.loads(out)
    assert (code, found["state"], found["sealed"]) == (0, "interrupted", True)


def test_a_run_that_ended_without_a_record_is_over(daybook, airflow):
    airflow.state, airflow.conf = "failed", {}
    code, out, _ = daybook("show", DAG_RUN)
    assert code == 0
    assert "ended in Airflow (failed) and has no record" in out
    code, _, err = daybook("cancel", DAG_RUN)
    assert code == 2
    assert "is over" in err
    assert airflow.patched == []


def test_a_waiting_run_can_be_followed(daybook, airflow, bucket):
    airflow.conf = {}

    def meanwhile(look):
        airflow.state = "success"
        write(bucket, manifest())

    airflow.meanwhile = meanwhile
    code, out, _ = daybook("show", RUN, "--follow")
    assert code == 0
    assert "echo succeeded" in out


def test_a_piece_that_fits_no_record_says_when_airflow_could_not_be_asked(daybook, monkeypatch):
    monkeypatch.setenv("DAYBOOK_API_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    code, _, err = daybook("show", RUN)
    assert code == 2
    assert "fits no run" in err
    assert "nothing answers" in err


def test_a_bucket_that_cannot_be_read_is_one_clear_error(daybook, tmp_path):
    (tmp_path / "bucket").rmdir()
    (tmp_path / "bucket").write_text("in the way")
    code, _, err = daybook("runs")
    assert code == 3
    assert "bucket" in err
    assert "Traceback" not in err
