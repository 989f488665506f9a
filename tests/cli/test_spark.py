"""`daybook spark`: servers that Daybook starts and that others run; the local stack's own is `stack/test_spark.py`."""

import json
from datetime import UTC, datetime

import pytest

from cli.fake_airflow import DAG_RUN
from daybook.contract.spark_state import SparkServerState, SparkState
from daybook.storage.spark_states import tell_spark_state

NAME = "daybook-spark-local-0123456789"


@pytest.fixture
def workspaces(daybook, tmp_path):
    """`local` has a server of Daybook's, `other` one that others run."""
    path = tmp_path / "workspaces.yaml"
    text = path.read_text().replace("{name: local,", "{name: local, spark: {server: {}},")
    remote = "{name: other, spark: {remote: 'sc://spark.example:15002', ui: 'https://spark.example'},"
    path.write_text(text.replace("{name: other,", remote))
    return path


@pytest.fixture
def tell(bucket):
    def tell(**changes):
        now = datetime.now(UTC)
        given = {"name": NAME, "workspace": "local", "state": SparkState.ANSWERS, "sessions": 2, "ui": "http://u:4040"}
        tell_spark_state(bucket, SparkServerState(started_at=now, told_at=now, **{**given, **changes}))

    return tell


def test_status_tells_state_size_sessions_and_pages(daybook, workspaces, tell):
    tell()
    code, out, _ = daybook("spark", "status")
    assert code == 0
    local, other = [line for line in out.splitlines() if line.startswith(("local", "other"))]
    for part in ("answers", " 2 ", "1 core, 1 GiB", "http://u:4040", NAME):
        assert part in local
    for part in ("not Daybook's", "https://spark.example", "sc://spark.example:15002"):
        assert part in other


def test_status_is_one_document_for_programs(daybook, workspaces, tell):
    tell()
    code, out, _ = daybook("spark", "status", "--json", "--workspace", "local")
    (found,) = json.loads(out)["workspaces"]
    (server,) = found["servers"]
    assert (code, found["kind"], server["state"], server["sessions"]) == (0, "server", "answers", 2)


def test_a_server_that_failed_says_why(daybook, workspaces, tell):
    tell(state=SparkState.FAILED, why="its Java ended with exit code 1", sessions=None)
    assert f"{NAME}: its Java ended with exit code 1" in daybook("spark", "status")[1]


def test_a_bucket_that_is_away_is_told_beside_the_others(daybook, workspaces):
    text = (
        workspaces.read_text() + "  - {name: away, bucket: 'file:///dev/null/b', members: ['*'], spark: {server: {}}}\n"
    )
    workspaces.write_text(text)
    code, out, _ = daybook("spark", "status")
    assert code == 0
    assert "unknown" in out
    assert "sc://spark.example:15002" in out


@pytest.mark.parametrize("action", ["start", "stop"])
def test_starting_and_stopping_is_airflows(daybook, workspaces, airflow, action):
    code, out, _ = daybook("spark", action, "--json")
    assert (code, airflow.conf) == (0, {"workspace": "local", "action": action})
    assert json.loads(out)["airflow"]["run_id"] == DAG_RUN


def test_a_server_that_is_used_is_stopped_only_by_force(daybook, workspaces, airflow, tell):
    tell()
    code, _, err = daybook("spark", "stop")
    assert (code, airflow.conf) == (2, None)
    assert "sessions are open (2)" in err
    assert "--force" in err
    assert daybook("spark", "stop", "--force")[0] == 0
    assert airflow.conf == {"workspace": "local", "action": "stop"}


@pytest.mark.parametrize("arguments", [("--workspace", "other"), ("--workspace", "nowhere")])
def test_what_is_not_daybooks_is_not_started(daybook, workspaces, airflow, arguments):
    code, _, err = daybook("spark", "start", *arguments)
    assert (code, airflow.conf) == (2, None)
    assert arguments[1] in err


def test_of_several_none_is_chosen_silently(daybook, workspaces, airflow):
    workspaces.write_text(
        workspaces.read_text().replace("remote: 'sc://spark.example:15002', ui: 'https://spark.example'", "server: {}")
    )
    code, _, err = daybook("spark", "start")
    assert (code, airflow.conf) == (2, None)
    assert "name one of: local, other" in err
