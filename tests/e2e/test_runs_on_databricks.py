"""The kernel `databricks` through the running stack: Airflow, a pod, the kernel in it, and a stand-in Databricks."""

import json

import pytest
from driving import until

from databricks.standin import StandIn
from databricks.standin.world import TOKEN

CLUSTER = "0123-456789-abcdefgh"
WORKSPACE = """
  - name: lakehouse
    bucket: {bucket}
    members: ["*"]
    databricks:
      host: {host}
      cluster_id: {cluster}
      token: {{name: lakehouse, key: token}}
"""


@pytest.fixture
def standin(tmp_path):
    with StandIn(tmp_path / "databricks") as standin:
        standin.clusters.add(CLUSTER, state="TERMINATED")
        yield standin


@pytest.fixture
def bucket(stack, standin):
    """The bucket of a workspace whose cells run on the stand-in; the workspace is there as long as the test."""
    secret = stack.root / ".daybook/secrets/pods/default/lakehouse"
    secret.mkdir(parents=True)
    (secret / "token").write_text(TOKEN)
    folder = stack.root / ".daybook/lakehouse"
    path = stack.root / ".daybook/workspaces.yaml"
    before = path.read_text()
    path.write_text(before + WORKSPACE.format(bucket=folder.as_uri(), host=standin.host, cluster=CLUSTER))
    yield folder
    path.write_text(before)


def test_a_run_on_a_cluster_is_recorded_and_a_cancelled_one_reaches_it(stack, standin, bucket):
    def begun(notebook, **parameters):
        conf = {"notebook": notebook, "parameters": parameters, "workspace": "lakehouse"}
        conf["run_settings"] = {"kernel": "databricks"}
        # A workspace that is new is known a little later.
        answer = until(lambda: a if (a := stack.trigger("run_notebook", conf)).status_code == 200 else None)
        return answer.json()["dag_run_id"]

    def record(dag_run_id):
        found = (json.loads(path.read_text()) for path in bucket.glob("runs/*/*/*/*/manifest.json"))
        return next((each for each in found if each["airflow"]["run_id"] == dag_run_id), None)

    run_id = begun("echo", word="nö'\n", times=2)
    assert stack.ended("run_notebook", run_id)["state"] == "success"
    manifest = record(run_id)
    assert (manifest["state"], manifest["sealed"], manifest["user"]) == ("succeeded", True, "admin")
    assert manifest["parameters"] == {"word": "nö'\n", "times": 2}
    assert manifest["results"] == {"given": ["nö'\n", 2], "who": "admin"}
    (output,) = manifest["outputs"]
    (found,) = bucket.glob(f"runs/*/*/*/{manifest['run_id']}/{output['key']}")
    assert found.read_text() == "nö'\n nö'\n"
    there = manifest["databricks"]
    assert (there["host"], there["cluster_id"], there["runtime_version"]) == (standin.host, CLUSTER, "16.4.x-scala2.12")
    commands = {each["command_id"] for each in there["commands"]}
    assert commands
    assert commands <= standin.commands.all.keys()
    assert standin.count("/clusters/start") == 1

    def asleep():
        return next((each for each in list(standin.commands.all.values()) if "asleep" in each.printed), None)

    run_id = begun("sleeper")
    command = until(asleep, what="the cell")
    cancelled = stack.daybook("cancel", record(run_id)["run_id"])
    assert cancelled.returncode == 0, cancelled.stdout + cancelled.stderr
    until(lambda: command.cancelled and command.results, what="the end of the command on the cluster")
    assert stack.ended("run_notebook", run_id)["state"] == "failed"
    manifest = until(lambda: m if (m := record(run_id))["sealed"] else None, what="the record's seal")
    assert manifest["state"] == "interrupted"
    until(lambda: stack.pods_of(manifest["run_id"]) == [], what="the end of the pod")
