"""`NotebookOperator` with the kernel `databricks`, from the workspace's Secret to the record.

The real Airflow, localpods, runner and kernel, against a stand-in Databricks.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from builders import a_notebook_json
from databricks.standin import StandIn
from localpods.really_started import Localpods
from on_airflow.test_really_run import NOTEBOOKS, environment

pytestmark = pytest.mark.timeout(700)

CLUSTER = "0123-456789-abcdefgh"
SECRET = "stand-in-oauth-secret"
DAG = """
from airflow.sdk import DAG

from daybook.on_airflow.operator import NotebookOperator

with DAG("really", schedule=None) as dag:
    for notebook in ("there", "here"):
        NotebookOperator(task_id=notebook, notebook=notebook)
"""
RUN = (Path(__file__).parent / "test_really_run.py").read_text().partition('RUN = """')[2].partition('"""')[0]
CELLS = [
    "import os, sys; from daybook.notebook import outputs, record, workspace\n"
    "record('where', os.environ.get('DATABRICKS_RUNTIME_VERSION'))\n"
    "record('secrets', sorted(name for name in os.environ if 'SECRET' in name or 'TOKEN' in name))\n"
    "record('databricks', sorted(name for name in os.environ if 'DATABRICKS' in name))\n"
    "record('workspace', workspace().name)\n"
    "outputs('a.txt').write_text('a')"
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The records of one notebook run on the cluster, and of the same one in its pod; all that Airflow said."""
    if not NOTEBOOKS.is_dir():
        pytest.skip("there is no environment for notebooks here")
    home = tmp_path_factory.mktemp("databricks")
    for name, run in {"there": "run: {kernel: databricks}", "here": "run: {kernel: python3}"}.items():
        (home / "notebooks" / name).mkdir(parents=True)
        (home / "notebooks" / name / "notebook.ipynb").write_text(a_notebook_json(CELLS))
        (home / "notebooks" / name / "spec.yaml").write_text(f"{run}\n")
    (home / "dags").mkdir()
    (home / "dags" / "really_run.py").write_text(DAG)
    (home / "run.py").write_text(RUN)
    (home / "localpods").mkdir()
    localpods = Localpods(home / "localpods")
    key = localpods.secrets / "default" / "databricks" / "client-secret"
    key.parent.mkdir(parents=True)
    key.write_text(f"{SECRET}\n")  # as `kubectl create secret --from-file` often has it
    image = {"prefix": str(NOTEBOOKS), "entrypoint": [str(NOTEBOOKS / "bin" / "daybook")]}
    localpods.images.write_text(json.dumps({"daybook/notebook": image}))
    localpods.start()
    try:
        with StandIn(home / "cluster") as standin:
            standin.clusters.add(CLUSTER)
            standin.parts["identity"].principals["principal-1"] = SECRET
            (home / "workspaces.yaml").write_text(workspaces(home, standin.host))
            done = subprocess.run(
                [sys.executable, str(home / "run.py")],
                env=environment(home, localpods),
                cwd=home,
                capture_output=True,
                text=True,
                timeout=560,
                check=False,
            )
        said = done.stdout + done.stderr
        assert "STATES " in said, said[-4000:]
        found = [json.loads(path.read_text()) for path in home.glob("bucket/runs/*/*/*/*/manifest.json")]
        yield {each["notebook"]["id"]: each for each in found}, said, home / "bucket"
    finally:
        localpods.close()


def workspaces(home, host):
    oauth = {"client_id": "principal-1", "client_secret": {"name": "databricks", "key": "client-secret"}}
    databricks = {"host": host, "cluster_id": CLUSTER, "oauth": oauth}
    local = {"name": "local", "members": ["*"], "bucket": str(home / "bucket"), "databricks": databricks}
    return json.dumps({"workspaces": [local]})


def test_the_run_is_on_the_cluster_as_the_workspaces_principal(ran):
    records, said, _ = ran
    there = records["there"]
    assert (there["state"], there["message"]) == ("succeeded", None), said[-4000:]
    assert there["results"]["where"] == "16.4"
    assert there["results"]["workspace"] == "local"
    assert [each["path"] for each in there["outputs"]] == ["a.txt"]
    assert there["databricks"]["cluster_id"] == CLUSTER
    assert [each["cell"] for each in there["databricks"]["commands"]] == [0]


def test_cells_on_the_cluster_see_no_secret(ran):
    assert ran[0]["there"]["results"]["secrets"] == []


def test_a_run_with_another_kernel_sees_nothing_of_databricks(ran):
    here = ran[0]["here"]
    assert (here["state"], here["databricks"]) == ("succeeded", None)
    assert here["results"]["databricks"] == []


def test_the_secret_is_nowhere_in_log_and_bucket(ran):
    _, said, bucket = ran
    assert SECRET not in said
    assert not any(SECRET.encode() in path.read_bytes() for path in bucket.rglob("*") if path.is_file())
