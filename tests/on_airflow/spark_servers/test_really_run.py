"""Runs of two workspaces on Spark servers of their own: real Airflow, localpods, runner, Java and Spark."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from builders import a_notebook_json
from localpods.really_started import Localpods
from on_airflow.dag_runs import environment

LIMIT_SECONDS = 800
pytestmark = pytest.mark.timeout(LIMIT_SECONDS + 100)  # five servers start one after another, on a busy machine
CHECKOUT = Path(__file__).parents[3]
NOTEBOOKS = CHECKOUT / ".venv-notebook"
COUNT = """
from daybook.notebook import get_spark_session, record
spark = get_spark_session()
record("rows", spark.range(7).count())
record("application", spark.conf.get("spark.app.id"))
record("server", spark.conf.get("spark.daybook.ui"))
"""
DAG = """
from airflow.sdk import DAG
from airflow.sdk.bases.operator import chain

from daybook.on_airflow.operator import NotebookOperator

with DAG("spark", schedule=None, default_args={"retries": 0}) as dag:
    first = NotebookOperator(task_id="first", notebook="count", workspace="research")
    again = NotebookOperator(task_id="again", notebook="count", workspace="research", deferrable=False)
    other = NotebookOperator(task_id="other", notebook="count", workspace="teaching", deferrable=False)
    own = NotebookOperator(task_id="own", notebook="count_alone", workspace="research")
    failing = NotebookOperator(task_id="failing", notebook="count", workspace="broken")
    failing_here = NotebookOperator(task_id="failing_here", notebook="count", workspace="broken", deferrable=False)
    first >> again
    [first, again, other, own, failing, failing_here]
"""
RUN = """
import json
from airflow.utils.db import initdb
initdb()
from spark_run import dag
run = dag.test()
print("STATES " + json.dumps({one.task_id: str(one.state) for one in run.get_task_instances()}))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One run of a DAG of six tasks: the manifests by task, the states, what was said, and the API of the cluster."""
    if not NOTEBOOKS.is_dir():
        pytest.skip("there is no environment for notebooks here")
    home = tmp_path_factory.mktemp("spark")
    for name, spec in {"count": "{}", "count_alone": "run: {spark: {own: true}}\n"}.items():
        (home / "notebooks" / name).mkdir(parents=True)
        (home / "notebooks" / name / "notebook.ipynb").write_text(a_notebook_json([COUNT]))
        (home / "notebooks" / name / "spec.yaml").write_text(spec)
    profiles = {"small": {"cores": 2, "memory": "1600Mi"}}
    server = {"profiles": profiles, "start_seconds": 240}
    broken = {**server, "tables": ["delta"]}  # whose jars the image has not
    spaces = [
        {"name": name, "members": ["*"], "bucket": str(home / "buckets" / name), "spark": {"server": one}}
        for name, one in (("research", server), ("teaching", server), ("broken", broken))
    ]
    (home / "workspaces.yaml").write_text(json.dumps({"workspaces": spaces}))
    (home / "dags").mkdir()
    (home / "dags" / "spark_run.py").write_text(DAG)
    (home / "run.py").write_text(RUN)
    (home / "localpods").mkdir()
    localpods = Localpods(home / "localpods")
    images = {
        "daybook/notebook": {"prefix": str(NOTEBOOKS), "entrypoint": [str(NOTEBOOKS / "bin" / "daybook")]},
        "daybook/spark": {
            "prefix": str(NOTEBOOKS),
            "entrypoint": [str(NOTEBOOKS / "bin" / "python"), "-m", "daybook.spark"],
        },
    }
    localpods.images.write_text(json.dumps(images))
    localpods.start()
    try:
        with (home / "airflow.log").open("wb") as log:
            subprocess.run(
                [sys.executable, str(home / "run.py")],
                env=environment(home, localpods),
                cwd=home,
                stdout=log,
                stderr=log,
                timeout=LIMIT_SECONDS,
                check=False,
            )
        said = (home / "airflow.log").read_text()
        assert "STATES " in said, said[-4000:]
        found = [json.loads(path.read_text()) for path in home.glob("buckets/*/runs/*/*/*/*/manifest.json")]
        manifests = {each["airflow"]["task_id"]: each for each in found}
        yield manifests, json.loads(said.rpartition("STATES ")[2].splitlines()[0]), said, localpods
    finally:
        localpods.close()


def test_each_run_ends_as_its_server_lets_it(ran):
    manifests, states, said, _ = ran
    assert states == {
        "first": "success",
        "again": "success",
        "other": "success",
        "own": "success",
        "failing": "failed",
        "failing_here": "failed",
    }, said[-6000:]
    for task in ("first", "again", "other", "own"):
        assert manifests[task]["results"]["rows"] == 7


def test_runs_of_a_workspace_share_its_server_and_those_of_another_have_theirs(ran):
    manifests = ran[0]
    application = {task: each["results"].get("application") for task, each in manifests.items()}
    assert application["first"] == application["again"]
    server = {task: each["results"].get("server") for task, each in manifests.items()}
    assert len({server["first"], server["other"], server["own"]}) == 3


def test_a_server_of_a_runs_own_ended_with_it_and_the_others_stay(ran):
    localpods = ran[3]
    pods = localpods.api().list_pod_for_all_namespaces().items
    assert {pod.metadata.labels["daybook.dev/workspace"] for pod in pods} == {"research", "teaching"}
    assert not any("daybook.dev/spark-run" in pod.metadata.labels for pod in pods)
    assert all(pod.status.phase == "Running" for pod in pods)


def test_a_server_that_cannot_start_fails_its_run_with_the_servers_own_words(ran):
    manifests, _, said, _ = ran
    for task in ("failing", "failing_here"):
        failed = manifests[task]
        assert (failed["state"], failed["reason"], failed["sealed"]) == ("failed", "spark_unavailable", True)
        assert "the image's Spark 4" in failed["message"]
        assert failed["pod_uid"] is None
    assert "failed (spark_unavailable)" in said
