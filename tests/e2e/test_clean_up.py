"""The DAG `clean_up` in the real stack: an abandoned run is sealed, an old one removed, a pinned one stays."""

import json
import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from driving import until

from builders import a_manifest, a_run_id
from daybook.contract.manifest import State
from daybook.contract.request import AirflowCoordinates
from daybook.storage import open_store, record_of

NEVER_WAS = AirflowCoordinates(dag_id="echo", run_id="manual__of_a_day_before_this_airflow", task_id="run")
RETENTION = "    retention: {days: 30}\n"


@pytest.fixture
def bucket(stack):
    return open_store((stack.root / ".daybook/bucket").as_uri())


@pytest.fixture
def retention(stack):
    """Runs older than 30 days go, as long as this holds."""
    path = stack.root / ".daybook/workspaces.yaml"
    before = path.read_text()
    lines = before.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if "name: local" in line)
    indent = " " * lines[at].index("name:")
    path.write_text("".join([*lines[: at + 1], indent + RETENTION.strip() + "\n", *lines[at + 1 :]]))
    yield
    path.write_text(before)


def write(bucket, days, **changes):
    run = a_run_id("echo", datetime.now(UTC) - timedelta(days=days), *changes)
    record_of(bucket, run).write(a_manifest(run_id=run, **changes))
    return run


def cleaned_up(stack, **conf):
    """What the sweep of the workspace says in its XCom."""
    run_id = until(lambda: a.json()["dag_run_id"] if (a := stack.trigger("clean_up", conf)).is_success else None)
    assert stack.ended("clean_up", run_id)["state"] == "success"
    return stack.xcom("clean_up", run_id, task="sweep", map_index=0)


def folders(stack, *runs):
    return [stack.run_folder(run).exists() for run in runs]


def test_a_sweep_seals_the_abandoned_and_removes_the_old_but_no_pinned_or_running_run(stack, bucket, retention):
    under_way = stack.trigger("sleeper", {"seconds": 600}).json()["dag_run_id"]
    running = until(lambda: m if (m := stack.manifest_of("sleeper", under_way)) and m["state"] == "running" else None)
    unsealed = {"sealed": False, "sealed_by": None, "state": State.RUNNING, "exit_code": None, "airflow": NEVER_WAS}
    abandoned, old, pinned = write(bucket, 0.1, **unsealed), write(bucket, 40), write(bucket, 40, user="bob")
    assert stack.json("pin", pinned, "--why", "the paper")["pin"]["why"] == "the paper"
    assert stack.json("show", pinned)["pin"]["why"] == "the paper"
    for run in (abandoned, running["run_id"]):  # both have been silent for hours
        hours_ago = time.time() - 3 * 3600
        os.utime(stack.run_folder(run) / "manifest.json", (hours_ago, hours_ago))

    told = stack.json("clean-up", "--dry-run")["workspaces"][0]
    assert any(old in line for line in told["lines"])
    dry = cleaned_up(stack, dry_run=True)
    assert (dry["runs_sealed"], dry["runs_removed"], dry["failures"]) == (1, 1, 0)
    assert folders(stack, abandoned, old, pinned) == [True, True, True]
    assert not stack.manifest(abandoned)["sealed"]

    done = cleaned_up(stack, workspace="local")
    assert (done["runs_sealed"], done["runs_removed"], done["failures"]) == (1, 1, 0)
    assert folders(stack, abandoned, old, pinned) == [True, False, True]
    sealed = stack.manifest(abandoned)
    assert (sealed["state"], sealed["reason"], sealed["sealed_by"]) == ("lost", "pod_gone", "sweeper")
    assert stack.manifest(running["run_id"])["state"] == "running", "its task is under way"
    assert stack.pods_of(running["run_id"])
    assert stack.daybook("cancel", running["run_id"]).returncode == 0

    asked = json.loads(stack.daybook("clean-up", "--json").stdout)["airflow"]
    assert stack.ended("clean_up", asked["run_id"])["state"] == "success"


def test_a_bucket_that_is_away_fails_its_own_sweep_and_no_other(stack):
    path = stack.root / ".daybook/workspaces.yaml"
    before = path.read_text()
    path.write_text(f'{before}\n  - name: away\n    bucket: file:///dev/null/bucket\n    members: ["*"]\n')
    try:
        run_id = stack.trigger("clean_up").json()["dag_run_id"]
        assert stack.ended("clean_up", run_id)["state"] == "failed"
    finally:
        path.write_text(before)
    where = f"/api/v2/dags/clean_up/dagRuns/{run_id}/taskInstances"
    found = stack.client.get(where).json()["task_instances"]
    states = {each["rendered_map_index"]: each["state"] for each in found if each["task_id"] == "sweep"}
    assert states == {"local": "success", "away": "failed"}
    logs = (stack.root / ".daybook/airflow/logs/dag_id=clean_up" / f"run_id={run_id}").rglob("*.log")
    assert "/dev/null/bucket" in "".join(log.read_text() for log in logs)
