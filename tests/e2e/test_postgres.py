"""Airflow on PostgreSQL, its task logs in a bucket, and a workspace whose notebooks execute in the worker."""

import json
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
import pytest
from driving import QUIET, make_project, running_stack, until
from e2e_notebooks import notebook
from postgres import postgres

from runner.moto import s3_server

WORKSPACES = """\
workspaces:
  - {{name: local, bucket: "{root}/.daybook/bucket", members: ["*"]}}
  - {{name: trusted, bucket: "{root}/.daybook/trusted", members: ["*"], runs_in: worker}}
  - {{name: theirs, bucket: "{root}/.daybook/theirs", runs_in: worker, members: [bob]}}
"""
OPTIONS = f"""\
{QUIET}
[database]
sql_alchemy_conn = {{database}}
"""
LOGS = """\
[logging]
remote_logging = True
remote_log_conn_id = log_bucket
remote_base_log_folder = s3://logs/airflow
[secrets]
backend = airflow.secrets.local_filesystem.LocalFilesystemBackend
backend_kwargs = {{"connections_file_path": "{connections}"}}
"""
"""The connection is there from the start: a worker that does not find it for its first task does not look again."""
LOOKS = (
    "import os\nfrom daybook.notebook import record\n"
    'record("names", sorted(os.environ))\n'
    'record("values", [value for value in os.environ.values() if value.startswith(("eyJ", "{"))])'
)


@pytest.fixture(scope="module")
def database():
    with postgres() as server:
        yield server


@pytest.fixture(scope="module")
def log_bucket():
    with s3_server("logs") as variables:
        yield variables


@pytest.fixture(scope="module")
def stack(tmp_path_factory, database):
    root = make_project(tmp_path_factory.mktemp("postgres"))
    (root / ".daybook").mkdir(mode=0o700)
    (root / ".daybook/workspaces.yaml").write_text(WORKSPACES.format(root=root))
    (root / "include/notebooks/looks").mkdir()
    (root / "include/notebooks/looks/notebook.ipynb").write_text(notebook([LOOKS]))
    options = root / "options.cfg"
    options.write_text(OPTIONS.format(database=database.url))
    with running_stack(root, "--airflow-config", str(options)) as stack:
        options.unlink()  # what it says is kept
        yield stack


def connection_to(variables):
    extra = {"endpoint_url": variables["AWS_ENDPOINT_URL"], "region_name": variables["AWS_REGION"]}
    return {
        "conn_type": "aws",
        "login": variables["AWS_ACCESS_KEY_ID"],
        "password": variables["AWS_SECRET_ACCESS_KEY"],
        "extra": extra,
    }


def in_worker(stack, name, **parameters):
    """Triggers a notebook in the workspace `trusted`; gives the id of the Airflow run."""
    conf = {"notebook": name, "workspace": "trusted", "parameters": parameters}
    answer = stack.trigger("run_notebook", conf)
    assert answer.status_code == 200, answer.text
    return answer.json()["dag_run_id"]


def manifest_of(stack, dag_run_id):
    """The manifest of a run in the workspace `trusted`, as soon as there is one."""
    for path in (stack.root / ".daybook/trusted/runs").glob("*/*/*/*/manifest.json"):
        found = json.loads(path.read_text())
        if found["airflow"]["run_id"] == dag_run_id:
            return found
    return None


def running(stack, dag_run_id):
    """The manifest of a run whose first cell has begun."""

    def begun():
        found = manifest_of(stack, dag_run_id)
        return found if found and found["state"] == "running" and found["cells"]["current"] is not None else None

    return until(begun, what="the run's beginning")


def runners_of(daybook_id):
    found = psutil.process_iter(["environ"])
    return [each for each in found if (each.info["environ"] or {}).get("DAYBOOK_ATTEMPT", "").startswith(daybook_id)]


def test_a_run_over_rest_and_airflows_records_of_it_are_in_postgres(stack, database):
    run_id = stack.trigger("echo", {"word": "postgres", "times": 1}).json()["dag_run_id"]
    assert stack.ended("echo", run_id)["state"] == "success"
    pointer = stack.xcom("echo", run_id)
    assert pointer["results"]["given"] == ["postgres", 1]
    assert stack.manifest(pointer["run_id"])["state"] == "succeeded"
    assert stack.pods_of(pointer["run_id"]) == []
    assert database.ask("select count(*) from dag_run where state = 'success'") >= "1"
    assert not (stack.root / ".daybook/airflow/airflow.db").exists()


def test_many_triggers_at_once_are_all_taken(stack):
    runs = [stack.trigger("one_cell").json()["dag_run_id"] for _ in range(4)]
    assert [stack.ended("one_cell", run)["state"] for run in runs] == ["success"] * 4


def test_the_schedule_ticks(stack):
    def ticked():
        runs = stack.client.get("/api/v2/dags/ticking/dagRuns").json()["dag_runs"]
        return next((run for run in runs if run["run_type"] == "scheduled" and run["state"] == "success"), None)

    run = until(ticked, what="a scheduled run")
    assert stack.manifest_of("ticking", run["dag_run_id"])["state"] == "succeeded"


def test_a_cancelled_pod_is_sealed(stack):
    run_id = stack.trigger("sleeper").json()["dag_run_id"]
    found = until(lambda: m if (m := stack.manifest_of("sleeper", run_id)) and m["state"] == "running" else None)
    assert stack.daybook("cancel", found["run_id"]).returncode == 0
    until(lambda: stack.manifest(found["run_id"])["sealed"], 60, "the seal")
    assert stack.manifest(found["run_id"])["state"] == "interrupted"


def test_a_notebook_executes_in_the_worker_with_the_same_record(stack):
    run_id = in_worker(stack, "echo", word="here", times=2)
    assert stack.ended("run_notebook", run_id)["state"] == "success"
    pointer = stack.xcom("run_notebook", run_id)
    manifest = manifest_of(stack, run_id)
    assert pointer["results"] == {"given": ["here", 2], "who": "admin"}
    assert Path(unquote(urlsplit(pointer["manifest"]).path)).is_file()
    assert (manifest["state"], manifest["sealed_by"], manifest["workspace"]) == ("succeeded", "runner", "trusted")
    assert [output["path"] for output in manifest["outputs"]] == ["echo.txt"]
    assert stack.asset_events(run_id)[0]["extra"]["manifest"] == pointer["manifest"]
    links = stack.client.get(f"/api/v2/dags/run_notebook/dagRuns/{run_id}/taskInstances/run/links").json()
    for name, url in links["extra_links"].items():
        assert stack.client.get(url).status_code == 200, name
    assert stack.pods_of(pointer["run_id"]) == []


def test_a_notebooks_own_form_offers_the_worker_too(stack):
    run_id = stack.trigger("echo", {"word": "form", "workspace": "trusted"}).json()["dag_run_id"]
    assert stack.ended("echo", run_id)["state"] == "success"
    assert manifest_of(stack, run_id)["results"]["given"] == ["form", 2]


def test_the_notebook_sees_nothing_of_airflows_environment(stack):
    run_id = in_worker(stack, "looks")
    assert stack.ended("run_notebook", run_id)["state"] == "success"
    results = stack.xcom("run_notebook", run_id)["results"]
    assert [name for name in results["names"] if "AIRFLOW" in name or "CONN" in name] == []
    assert results["values"] == []


def test_a_failing_notebook_fails_its_task(stack):
    run_id = in_worker(stack, "failing")
    assert stack.ended("run_notebook", run_id)["state"] == "failed"
    manifest = manifest_of(stack, run_id)
    assert (manifest["state"], manifest["reason"], manifest["sealed_by"]) == ("failed", "cell_error", "runner")
    assert [output["path"] for output in manifest["outputs"]] == ["before.txt"]


def test_an_unknown_parameter_is_refused_before_a_run_exists(stack):
    conf = {"notebook": "echo", "workspace": "trusted", "parameters": {"wrod": "x"}}
    answer = stack.trigger("run_notebook", conf)
    assert (answer.status_code, "wrod" in answer.text) == (400, True)


def test_who_is_no_member_starts_nothing(stack):
    answer = stack.trigger("run_notebook", {"notebook": "echo", "workspace": "theirs", "parameters": {}})
    if answer.status_code == 200:
        assert stack.ended("run_notebook", answer.json()["dag_run_id"])["state"] == "failed"
    assert not list((stack.root / ".daybook/theirs").rglob("manifest.json"))


def test_a_cancelled_run_in_the_worker_is_sealed_and_leaves_no_process(stack):
    run_id = in_worker(stack, "sleeper")
    daybook_id = running(stack, run_id)["run_id"]
    cancelled = stack.daybook("cancel", daybook_id)  # it comes back with the seal
    assert cancelled.returncode == 0, cancelled.stdout + cancelled.stderr
    sealed = manifest_of(stack, run_id)
    assert (sealed["state"], sealed["sealed_by"]) == ("interrupted", "runner")
    until(lambda: runners_of(daybook_id) == [], 30, "the end of the processes")


def test_a_worker_that_is_killed_outright_leaves_a_sealed_run(stack):
    run_id = in_worker(stack, "sleeper")
    daybook_id = running(stack, run_id)["run_id"]
    runner = next(each for each in runners_of(daybook_id) if "daybook.runner.child" in " ".join(each.cmdline()))
    runner.parent().kill()  # the process of the task
    sealed = until(lambda: m if (m := manifest_of(stack, run_id))["sealed"] else None, 60, "the seal")
    assert (sealed["state"], sealed["sealed_by"]) == ("interrupted", "runner")
    until(lambda: runners_of(daybook_id) == [], 30, "the end of the processes")
    assert stack.ended("run_notebook", run_id)["state"] == "failed"


def test_down_seals_what_runs_in_the_worker_and_leaves_no_process(stack):
    run_id = in_worker(stack, "sleeper")
    daybook_id = running(stack, run_id)["run_id"]
    down = stack.daybook("down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert manifest_of(stack, run_id)["state"] == "interrupted"
    assert runners_of(daybook_id) == []
    state = str(stack.root / ".daybook")
    left = [
        each for each in psutil.process_iter(["environ"]) if (each.info["environ"] or {}).get("DAYBOOK_STACK") == state
    ]
    assert left == []


def test_after_the_next_up_the_history_is_there_and_task_logs_lie_in_a_bucket(stack, database, log_bucket, tmp_path):
    connections, options = tmp_path / "connections.json", tmp_path / "options.cfg"
    connections.write_text(json.dumps({"log_bucket": connection_to(log_bucket)}))
    options.write_text((OPTIONS + LOGS).format(database=database.url, connections=connections))
    up = stack.daybook("up", "--airflow-config", str(options))
    assert up.returncode == 0, up.stdout + up.stderr
    assert stack.client.get("/api/v2/dags/echo/dagRuns").json()["total_entries"] >= 2
    run_id = in_worker(stack, "one_cell")
    assert stack.ended("run_notebook", run_id)["state"] == "success"
    until(lambda: b"hello" in logs_of(log_bucket, run_id), 30, "the log in the bucket")


def logs_of(log_bucket, run_id):
    """What lies in the bucket of the logs of an Airflow run."""
    import boto3

    s3 = boto3.client(
        "s3",
        endpoint_url=log_bucket["AWS_ENDPOINT_URL"],
        region_name=log_bucket["AWS_REGION"],
        aws_access_key_id=log_bucket["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=log_bucket["AWS_SECRET_ACCESS_KEY"],
    )
    listed = s3.list_objects_v2(Bucket="logs", Prefix=f"airflow/dag_id=run_notebook/run_id={run_id}/")
    return b"".join(s3.get_object(Bucket="logs", Key=each["Key"])["Body"].read() for each in listed.get("Contents", ()))


def test_no_password_is_on_a_command_line_or_in_a_log(stack, database):
    found = subprocess.run(
        ["grep", "-rl", database.password, str(stack.root / ".daybook")], capture_output=True, text=True
    )
    names = sorted(Path(line).name for line in found.stdout.splitlines())
    assert names == ["airflow-overrides.cfg", "airflow.cfg"]
