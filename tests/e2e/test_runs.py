"""The main job through the running stack: over REST, the command line, a schedule, an asset."""

import hashlib
import json
import subprocess

import pytest
from driving import until

SCENE_BOX = [-4.42, 53.17, -4.40, 53.18]


def test_spark_example_over_rest(stack):
    answer = stack.trigger("flights_delays", {"origin": "LGA", "minimum_delay": 30})
    assert answer.status_code == 200, answer.text
    run = stack.ended("flights_delays", answer.json()["dag_run_id"])
    assert run["state"] == "success"
    pointer = stack.xcom("flights_delays", run["dag_run_id"])
    manifest = stack.manifest(pointer["run_id"])
    assert manifest["sealed"]
    assert (manifest["state"], manifest["sealed_by"], manifest["exit_code"]) == ("succeeded", "runner", 0)
    assert manifest["parameters"]["origin"] == "LGA"
    assert manifest["user"] == "admin"
    assert manifest["results"] == pointer["results"] != {}
    assert manifest["spark"]["application_id"]
    assert {output["media_type"] for output in manifest["outputs"]} >= {"image/png", "text/csv"}
    folder = stack.run_folder(pointer["run_id"])
    for output in manifest["outputs"]:
        content = (folder / output["key"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (output["size"], output["sha256"])
    for file in ("notebook", "html", "log", "source"):
        assert (folder / manifest["files"][file]).stat().st_size > 0
    assert stack.pods_of(pointer["run_id"]) == []


def test_task_links_lead_to_pages_that_answer(stack):
    answer = stack.trigger("echo", {"word": "link"})
    run_id = answer.json()["dag_run_id"]
    assert stack.ended("echo", run_id)["state"] == "success"
    links = stack.client.get(f"/api/v2/dags/echo/dagRuns/{run_id}/taskInstances/run/links").json()["extra_links"]
    assert set(links) == {"Run", "Executed notebook", "Run log"}
    for name, url in links.items():
        page = stack.client.get(url)
        assert page.status_code == 200, (name, page.text)
    assert "sandbox" in stack.client.get(links["Executed notebook"]).headers["content-security-policy"]


def test_run_emits_an_asset_event_that_starts_the_next_notebook(stack):
    run_id = stack.trigger("echo", {"word": "event"}).json()["dag_run_id"]
    assert stack.ended("echo", run_id)["state"] == "success"
    events = stack.asset_events(run_id)
    assert events[0]["extra"]["manifest"] == stack.xcom("echo", run_id)["manifest"]

    def followed():
        runs = stack.client.get("/api/v2/dags/after_echo/dagRuns").json()["dag_runs"]
        return [run for run in runs if run["run_type"] == "asset_triggered" and run["state"] == "success"]

    assert until(followed, what="the run of after_echo")


def test_run_notebook_runs_any_notebook_by_id(stack):
    conf = {"notebook": "echo", "parameters": {"word": "any", "times": 3}, "workspace": "local"}
    run_id = stack.trigger("run_notebook", conf).json()["dag_run_id"]
    assert stack.ended("run_notebook", run_id)["state"] == "success"
    pointer = stack.xcom("run_notebook", run_id)
    assert pointer["results"] == {"given": ["any", 3], "who": "admin"}
    assert (stack.run_folder(pointer["run_id"]) / "outputs/echo.txt").read_text() == "any any any"
    events = stack.asset_events(run_id)
    assert events[0]["uri"] == "x-daybook://notebooks/echo"


def test_a_run_is_counted_in_its_workspaces_pool(stack):
    run_id = stack.trigger("echo", {"word": "counted"}).json()["dag_run_id"]
    assert stack.ended("echo", run_id)["state"] == "success"
    task = stack.client.get(f"/api/v2/dags/echo/dagRuns/{run_id}/taskInstances/run").json()
    assert task["pool"] == "daybook_local"
    pool = stack.client.get("/api/v2/pools/daybook_local").json()
    assert (pool["slots"], pool["include_deferred"]) == (16, True)


def test_failing_cell_fails_the_run_and_keeps_everything(stack):
    run_id = stack.trigger("failing").json()["dag_run_id"]
    assert stack.ended("failing", run_id)["state"] == "failed"
    manifest = stack.manifest(stack.xcom("failing", run_id)["run_id"])
    assert (manifest["state"], manifest["reason"], manifest["exit_code"]) == ("failed", "cell_error", 1)
    assert (manifest["error"]["name"], manifest["error"]["value"]) == ("ValueError", "no such luck")
    assert [output["path"] for output in manifest["outputs"]] == ["before.txt"]
    assert manifest["files"]["html"]
    tries = stack.client.get(f"/api/v2/dags/failing/dagRuns/{run_id}/taskInstances/run").json()["try_number"]
    assert tries == 1, "a notebook's own error is not retried"
    assert stack.pods_of(manifest["run_id"]) == []


def test_unknown_kernel_is_refused_in_the_pod_with_what_there_is(stack):
    run_id = stack.trigger("unknown_kernel").json()["dag_run_id"]
    assert stack.ended("unknown_kernel", run_id)["state"] == "failed"
    manifest = stack.manifest_of("unknown_kernel", run_id)
    assert (manifest["state"], manifest["reason"], manifest["exit_code"]) == ("failed", "invalid_request", 2)
    assert "no-such-kernel" in manifest["message"]
    assert "python3" in manifest["message"]


@pytest.mark.parametrize(
    ("dag", "conf", "named"),
    [
        ("echo", {"word": 5}, ["word"]),
        ("echo", {"times": 0}, ["times"]),
        ("echo", {"words": "x"}, ["words", "did you mean"]),
        ("echo", {"word": 5, "times": "2", "more": 1}, ["word", "times", "more"]),
        ("echo", {"workspace": "nowhere"}, ["nowhere", "local"]),
        ("flights_delays", {"origin": "XXX"}, ["origin", "JFK"]),
        ("greedy", {}, ["run.gpu", "maximum of 0"]),
        ("run_notebook", {"notebook": "greedy"}, ["run.gpu"]),
        ("run_notebook", {"notebook": "eko"}, ["eko", "echo"]),
        ("run_notebook", {}, ["notebook"]),
        ("run_notebook", {"notebook": "echo", "parameters": {"times": "x"}}, ["times"]),
        ("run_notebook", {"notebook": "broken"}, ["broken"]),
        ("run_notebook", {"notebook": "echo", "parametres": {}}, ["parametres"]),
    ],
)
def test_bad_conf_is_a_400_that_names_every_fault(stack, dag, conf, named):
    before = stack.client.get(f"/api/v2/dags/{dag}/dagRuns").json()["total_entries"]
    answer = stack.trigger(dag, conf)
    assert answer.status_code == 400, answer.text
    for word in named:
        assert word in answer.json()["detail"]
    assert stack.client.get(f"/api/v2/dags/{dag}/dagRuns").json()["total_entries"] == before


def test_bad_trigger_by_nobody_learns_nothing(stack):
    answer = stack.trigger("echo", {"word": 5}, dag_run_id="x")
    assert answer.status_code == 400
    import httpx

    anonymous = httpx.post(f"{stack.url}/api/v2/dags/echo/dagRuns", json={"conf": {"word": 5}, "logical_date": None})
    assert anonymous.status_code == 401
    assert "word" not in anonymous.text


def test_cancel_ends_the_pod_and_seals_the_run(stack):
    run_id = stack.trigger("sleeper").json()["dag_run_id"]
    running = until(lambda: m if (m := stack.manifest_of("sleeper", run_id)) and m["state"] == "running" else None)
    cancelled = stack.daybook("cancel", running["run_id"])
    assert cancelled.returncode == 0, cancelled.stdout + cancelled.stderr
    sealed = until(lambda: m if (m := stack.manifest(running["run_id"]))["sealed"] else None, 60)
    assert sealed["state"] == "interrupted"
    assert (stack.run_folder(running["run_id"]) / sealed["files"]["notebook"]).exists()
    until(lambda: stack.pods_of(running["run_id"]) == [], 60, "the end of the pod")
    assert stack.ended("sleeper", run_id)["state"] == "failed"


def test_schedule_ticks_with_the_data_interval(stack):
    def ticked():
        runs = stack.client.get("/api/v2/dags/ticking/dagRuns").json()["dag_runs"]
        return next((run for run in runs if run["run_type"] == "scheduled" and run["state"] == "success"), None)

    run = until(ticked, what="a scheduled run")
    manifest = stack.manifest_of("ticking", run["dag_run_id"])
    assert manifest["results"]["minute"][:16] == run["data_interval_start"][:16]
    assert manifest["user"] is None


def test_broken_entry_is_an_import_error_and_harms_no_other(stack):
    errors = stack.client.get("/api/v2/importErrors").json()["import_errors"]
    assert [error["filename"] for error in errors] == ["broken_entries.py"]
    assert "broken/spec.yaml" in errors[0]["stack_trace"]
    assert "dat" in errors[0]["stack_trace"]
    listed = stack.json("notebooks")
    assert json.dumps(listed).count("broken/spec.yaml") >= 1


def test_command_line_runs_follows_and_shows(stack):
    done = stack.daybook("run", "echo", "-p", "word=cli", "-p", "times=1", "--follow", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = json.loads(done.stdout)
    assert "cli" in json.dumps(shown)
    listed = stack.json("runs", "--limit", "3")
    assert "echo" in json.dumps(listed)
    refused = stack.daybook("run", "echo", "-p", "times=none", "-p", "word2=x")
    assert refused.returncode == 2
    assert "times" in refused.stderr
    assert "word2" in refused.stderr
    assert stack.daybook("run", "failing", "--follow").returncode == 1


def test_rerun_makes_a_run_again_and_says_what_differs(stack):
    old = stack.json("run", "echo", "-p", "word=again", "-p", "times=2")
    entry = stack.root / "include/notebooks/echo/notebook.ipynb"
    before = entry.read_text()
    entry.write_text(before.replace("[word, times]", "[word, times * 10]"))
    try:
        new = stack.json("rerun", old["run_id"][-10:])
    finally:
        entry.write_text(before)
    assert (new["rerun_of"], new["state"]) == (old["run_id"], "succeeded")
    assert new["run_id"] != old["run_id"]
    assert new["manifest"]["parameters"] == old["manifest"]["parameters"] == {"word": "again", "times": 2}
    assert [(each["what"], each["name"]) for each in new["differences"]] == [("notebook", ""), ("result", "given")]
    assert new["differences"][1] == {"what": "result", "name": "given", "then": ["again", 2], "now": ["again", 20]}
    # On this machine an image is a folder, which has no digest.
    assert new["not_known"] == ["image_digest"]
    folder = stack.run_folder(old["run_id"])
    here = stack.json("rerun", str(folder), "--output", str(stack.root / "again"))
    assert (here["rerun_of"], here["results"]["given"]) == (old["run_id"], ["again", 2])


@pytest.mark.parametrize(
    ("dag", "conf", "result"),
    [
        ("daily_flights", {"day": "2013-02-14"}, "flights"),
        ("ndvi_calculation", {}, "synthetic"),
    ],
)
def test_other_examples_run_through_airflow(stack, dag, conf, result):
    run_id = stack.trigger(dag, conf).json()["dag_run_id"]
    assert stack.ended(dag, run_id)["state"] == "success"
    manifest = stack.manifest(stack.xcom(dag, run_id)["run_id"])
    assert result in manifest["results"]
    assert manifest["outputs"]


def test_operator_in_somebodys_own_dag(stack):
    run_id = stack.trigger("own").json()["dag_run_id"]
    assert stack.ended("own", run_id)["state"] == "failed"  # one of its tasks is made to fail
    assert stack.xcom("own", run_id, task="waits_here")["results"]["given"] == [run_id, 2]
    given = [stack.xcom("own", run_id, task="mapped", map_index=index)["results"]["given"] for index in (0, 1)]
    assert given == [["first", 2], ["second", 1]]


def test_image_that_cannot_be_had_is_tried_again_as_a_new_attempt(stack):
    run_id = stack.trigger("own").json()["dag_run_id"]
    stack.ended("own", run_id)
    pointer = stack.xcom("own", run_id, task="tried_again")
    manifest = stack.manifest(pointer["run_id"])
    assert (manifest["attempt"], manifest["state"], manifest["reason"]) == (2, "failed", "image_unavailable")
    assert "nowhere.example/none" in manifest["message"]
    first = json.loads((stack.run_folder(pointer["run_id"]) / "attempts/1/manifest.json").read_text())
    assert (first["attempt"], first["sealed"], first["reason"]) == (1, True, "image_unavailable")
    until(lambda: stack.pods_of(pointer["run_id"]) == [], 30, "the end of the pods")


def test_secret_input_reaches_the_notebook_and_no_record(stack):
    folder = stack.root / ".daybook/secrets/pods/default/daybook-secrets"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "api-key").write_text("s3cr3t-value")
    run_id = stack.trigger("keyed", {"token": "api-key"}).json()["dag_run_id"]
    assert stack.ended("keyed", run_id)["state"] == "success"
    pointer = stack.xcom("keyed", run_id)
    assert pointer["results"] == {"length": len("s3cr3t-value")}
    assert stack.manifest(pointer["run_id"])["secrets"] == {"token": "api-key"}
    places = [
        stack.run_folder(pointer["run_id"]),
        stack.root / ".daybook/localpods",
        stack.root / ".daybook/airflow/logs",
    ]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"s3cr3t-value" in path.read_bytes()] == []


def test_bucket_that_cannot_be_written_is_told_before_a_pod_is_made(stack):
    path = stack.root / ".daybook/workspaces.yaml"
    before = path.read_text()
    path.write_text(f'{before}\n  - name: unwritable\n    bucket: file:///dev/null/bucket\n    members: ["*"]\n')
    try:
        conf = {"notebook": "one_cell", "workspace": "unwritable"}
        answer = until(lambda: a if (a := stack.trigger("run_notebook", conf)).status_code == 200 else None, 90)
        run_id = answer.json()["dag_run_id"]
        assert stack.ended("run_notebook", run_id)["state"] == "failed"
    finally:
        path.write_text(before)
    logs = (stack.root / ".daybook/airflow/logs/dag_id=run_notebook" / f"run_id={run_id}").rglob("*.log")
    assert "/dev/null/bucket" in "".join(log.read_text() for log in logs)
    assert [name for name in stack.pods() if "one-cell" in name] == []


def test_entry_of_the_json_list_runs_as_in_eo_datahub(stack, tmp_path):
    scene = tmp_path / "scene.tif"
    python = stack.root / ".venv-notebook/bin/python"
    subprocess.run([str(python), str(stack.root / "scripts/make_scene.py"), str(scene)], check=True, timeout=120)
    conf = {"cog_url": scene.as_uri(), "bbox": SCENE_BOX}
    run_id = stack.trigger("band_statistics", conf).json()["dag_run_id"]
    assert stack.ended("band_statistics", run_id)["state"] == "success"
    assert stack.xcom("band_statistics", run_id)["results"]
    refused = stack.trigger("band_statistics", {**conf, "bbox": [1, 52, 0.5, 51]})
    assert (refused.status_code, "south" in refused.text) == (400, True)
