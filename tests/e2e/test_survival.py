"""What happens when parts of the stack die or are restarted while a run is under way."""

from driving import kill, until


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
    until(lambda: stack.pods() == [], 30, "the end of the pod")


def test_killed_runner_is_sealed_as_lost_by_the_operator(stack):
    run_id, daybook_id = start_sleeper(stack, 600)
    import psutil

    victims = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "execute" in (process.info["cmdline"] or ()) and daybook_id in process.environ().get("DAYBOOK_REQUEST", "")
    ]
    assert victims
    for process in victims:
        process.kill()
    assert stack.ended("sleeper", run_id)["state"] == "failed"
    manifest = stack.manifest(daybook_id)
    assert (manifest["sealed"], manifest["sealed_by"], manifest["state"]) == (True, "operator", "lost")
    assert manifest["cells"]["current"] is None
    until(lambda: stack.pods() == [], 30, "the end of the pod")


def test_down_leaves_no_process_and_up_finds_every_run_again(stack):
    before = {run["run_id"] for run in stack.json("runs", "--limit", "1000")["runs"]}
    down = stack.daybook("down")
    assert down.returncode == 0, down.stdout + down.stderr
    import psutil

    left = [p.cmdline() for p in psutil.process_iter() if str(stack.root) in " ".join(p.cmdline())]
    assert left == []
    assert stack.daybook("down").returncode == 0
    up = stack.daybook("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert {run["run_id"] for run in stack.json("runs", "--limit", "1000")["runs"]} >= before
    run_id = stack.trigger("one_cell").json()["dag_run_id"]
    assert stack.ended("one_cell", run_id)["state"] == "success"
