"""`NotebookOperator`, sync and deferrable, run by the real Airflow against a really started localpods and runner."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from builders import a_notebook_json
from localpods.really_started import Localpods
from on_airflow.dag_runs import environment

CHECKOUT = Path(__file__).parents[2]
NOTEBOOKS = CHECKOUT / ".venv-notebook"
LINES = 300
DAG = """
from airflow.sdk import DAG

from daybook.on_airflow.operator import NotebookOperator

with DAG("really", schedule=None) as dag:
    for kind, deferrable in (("here", False), ("deferred", True)):
        for notebook in ("prints", "raises"):
            NotebookOperator(task_id=f"{notebook}_{kind}", notebook=notebook, deferrable=deferrable)
"""
RUN = """
import json
from airflow.utils.db import initdb
initdb()
from really_run import dag
run = dag.test()
print("STATES " + json.dumps({one.task_id: str(one.state) for one in run.get_task_instances()}))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One run of a DAG of four tasks: the folder it was run in, what Airflow said, and the pods that are left."""
    if not NOTEBOOKS.is_dir():
        pytest.skip("there is no environment for notebooks here")
    home = tmp_path_factory.mktemp("really")
    for name, source in {
        "prints": f"for number in range({LINES}): print(f'line {{number}}.')",
        "raises": "raise ValueError('no such luck')",
    }.items():
        (home / "notebooks" / name).mkdir(parents=True)
        (home / "notebooks" / name / "notebook.ipynb").write_text(a_notebook_json([source]))
    (home / "workspaces.yaml").write_text(f"workspaces: [{{name: local, members: ['*'], bucket: {home / 'bucket'}}}]\n")
    (home / "dags").mkdir()
    (home / "dags" / "really_run.py").write_text(DAG)
    (home / "run.py").write_text(RUN)
    (home / "localpods").mkdir()
    localpods = Localpods(home / "localpods")
    image = {"prefix": str(NOTEBOOKS), "entrypoint": [str(NOTEBOOKS / "bin" / "daybook")]}
    localpods.images.write_text(json.dumps({"daybook/notebook": image}))
    localpods.start()
    try:
        done = subprocess.run(
            [sys.executable, str(home / "run.py")],
            env=environment(home, localpods),
            cwd=home,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        said = done.stdout + done.stderr
        assert "STATES " in said, said[-4000:]
        yield home, said, localpods.api().list_pod_for_all_namespaces().items
    finally:
        localpods.close()


def test_tasks_end_as_their_manifests_say_and_leave_no_pod(ran):
    home, said, pods = ran
    assert json.loads(said.rpartition("STATES ")[2].splitlines()[0]) == {
        "prints_here": "success",
        "prints_deferred": "success",
        "raises_here": "failed",
        "raises_deferred": "failed",
    }
    manifests = [json.loads(path.read_text()) for path in home.glob("bucket/runs/*/*/*/*/manifest.json")]
    assert sorted((each["airflow"]["task_id"], each["state"], each["sealed"]) for each in manifests) == [
        ("prints_deferred", "succeeded", True),
        ("prints_here", "succeeded", True),
        ("raises_deferred", "failed", True),
        ("raises_here", "failed", True),
    ]
    assert all(each["pod_uid"] for each in manifests)
    assert pods == []


def test_every_line_of_the_pods_log_comes_once(ran):
    _, said, _ = ran
    for number in range(LINES):
        found = [line for line in said.splitlines() if "logs: " in line and f"line {number}." in line]
        assert len(found) == 2, (number, found)  # one for each of the two tasks that print


def test_a_failure_names_its_reason(ran):
    _, said, _ = ran
    assert said.count("RunFailedForGood: run") >= 2 or said.count("failed (cell_error)") >= 2
