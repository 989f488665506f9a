"""What happens when parts of the stack die or are restarted while a run is under way."""

import json

import psutil
import pytest
from driving import kill, until


def processes_of(stack):
    """Command lines of all processes that name the project's folder; zombies have none."""
    found = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in found if str(stack.root) in " ".join(line)]


def runners_of(daybook_id):
    """The runner's process in the pod of a run."""
    found = psutil.process_iter(["cmdline", "environ"])
    return [
        process
        for process in found
        if "execute" in (process.info["cmdline"] or ())
        and daybook_id in (process.info["environ"] or {}).get("DAYBOOK_REQUEST", "")
    ]


def written(folder):
    """What there is by now of a run's notebook: its copy, and its journal."""
    return [*folder.glob("notebook.ipynb"), *folder.glob("journal/*")]


def start_sleeper(stack, seconds):
    """A run that is in the middle of its cell."""
    run_id = stack.trigger("sleeper", {"seconds": seconds}).json()["dag_run_id"]
    manifest = until(lambda: m if (m := stack.manifest_of("sleeper", run_id)) and m["state"] == "running" else None)
    return run_id, manifest["run_id"]


def test_run_survives_triggerer_scheduler_and_localpods(stack):
    run_id, daybook_id = start_sleeper(stack, 30)
    for name in ("airflow-triggerer", "airflow-scheduler", "localpods"):
        kill(stack.component(name)["pid"])
    assert stack.daybook("status").returncode == 1
    up = stack.daybook("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert stack.ended("sleeper", run_id)["state"] == "success"
    manifest = stack.manifest(daybook_id)
    assert (manifest["state"], manifest["attempt"]) == ("succeeded", 1)
    until(lambda: stack.pods_of(daybook_id) == [], 30, "the end of the pod")


def test_run_that_is_failed_while_nobody_watches_it_is_ended_by_airflows_callback(stack):
    run_id, daybook_id = start_sleeper(stack, 600)
    kill(stack.component("airflow-triggerer")["pid"])
    try:
        where = f"/api/v2/dags/sleeper/dagRuns/{run_id}/taskInstances/run"
        stack.client.patch(where, json={"new_state": "failed"}).raise_for_status()
        sealed = until(lambda: m if (m := stack.manifest(daybook_id))["sealed"] else None)
    finally:
        up = stack.daybook("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert sealed["state"] == "interrupted"
    assert stack.ended("sleeper", run_id)["state"] == "failed"
    until(lambda: stack.pods_of(daybook_id) == [], 30, "the end of the pod")


def test_killed_runner_is_sealed_as_lost_by_the_operator(stack):
    run_id, daybook_id = start_sleeper(stack, 600)
    folder = stack.run_folder(daybook_id)
    until(lambda: b"asleep\\n" in b"".join(path.read_bytes() for path in written(folder)), what="the cell's output")
    victims = runners_of(daybook_id)
    assert victims
    for process in victims:
        process.kill()
    assert stack.ended("sleeper", run_id)["state"] == "failed"
    manifest = stack.manifest(daybook_id)
    assert (manifest["sealed"], manifest["sealed_by"], manifest["state"]) == (True, "operator", "lost")
    assert manifest["cells"]["current"] is None
    notebook = json.loads((folder / manifest["files"]["notebook"]).read_text())
    assert notebook["metadata"]["daybook"]["state"] == "lost"
    assert [cell["metadata"]["daybook"]["state"] for cell in notebook["cells"]] == [
        "succeeded",
        "succeeded",
        "interrupted",
    ]
    assert "asleep" in json.dumps(notebook["cells"][2]["outputs"])
    assert (manifest["cells"]["succeeded"], manifest["cells"]["interrupted"]) == (2, 1)
    assert not list((folder / "journal").glob("*"))
    until(lambda: stack.pods_of(daybook_id) == [], 30, "the end of the pod")


def fail(stack, run_id):
    where = f"/api/v2/dags/ended/dagRuns/{run_id}/taskInstances/waits"
    stack.client.patch(where, json={"new_state": "failed"}).raise_for_status()


def clear(stack, run_id):
    body = {"dag_run_id": run_id, "task_ids": ["waits"], "only_failed": False, "dry_run": False}
    stack.client.post("/api/v2/dags/ended/clearTaskInstances", json=body).raise_for_status()


def end_worker(stack, run_id):
    """SIGTERM to the worker that has the task, which hands it on."""
    scheduler = psutil.Process(stack.component("airflow-scheduler")["pid"])
    for worker in scheduler.children():
        if worker.children():
            worker.terminate()


@pytest.mark.parametrize(
    ("end", "why", "tries", "state"),
    [
        (fail, "cancelled", 1, "failed"),
        (clear, "cancelled", 2, "success"),
        (end_worker, "terminated", 2, "success"),
    ],
)
def test_a_task_that_is_ended_knows_whether_somebody_cancelled_it(stack, tmp_path, end, why, tries, state):
    run_id = stack.trigger("ended", {"folder": str(tmp_path)}).json()["dag_run_id"]
    until(lambda: (tmp_path / "begun-1").exists(), what="the first try")
    end(stack, run_id)
    until(lambda: (tmp_path / "ended-1").exists(), 30, "its end")
    assert (tmp_path / "ended-1").read_text() == why
    assert stack.ended("ended", run_id)["state"] == state
    assert (tmp_path / f"ended-{tries}").exists()


def test_down_leaves_no_process_and_up_finds_every_run_again(stack):
    before = {run["run_id"] for run in stack.json("runs", "--limit", "1000")["runs"]}
    down = stack.daybook("down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert processes_of(stack) == []
    assert stack.daybook("down").returncode == 0
    up = stack.daybook("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert {run["run_id"] for run in stack.json("runs", "--limit", "1000")["runs"]} >= before
    run_id = stack.trigger("one_cell").json()["dag_run_id"]
    assert stack.ended("one_cell", run_id)["state"] == "success"
