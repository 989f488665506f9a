"""A pod with the kernel `databricks`, from the workspace's Secret to the record.

The real localpods, runner and kernel, against a stand-in Databricks.
"""

import json
from pathlib import Path

import pytest
from kubernetes.client import ApiClient

from builders import a_notebook_json, a_request, a_workspace
from databricks.standin import StandIn
from daybook.contract.request import NotebookSource
from daybook.pods import Resources, build_pod
from localpods.really_started import NAMESPACE, Localpods, wait_until

pytestmark = pytest.mark.timeout(700)

CLUSTER = "0123-456789-abcdefgh"
SECRET = "stand-in-oauth-secret"
NOTEBOOKS = Path(__file__).parents[2] / ".venv-notebook"
RESOURCES = Resources(cpu="1", memory="2Gi")
LONG = 500.0
"""Seconds for two pods, on a machine that is busy with everything else."""
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
    """The records of one notebook run on the cluster, and of the same one in its pod; their logs; the bucket."""
    if not NOTEBOOKS.is_dir():
        pytest.skip("there is no environment for notebooks here")
    home = tmp_path_factory.mktemp("databricks")
    (home / "notebook.ipynb").write_text(a_notebook_json(CELLS))
    (home / "localpods").mkdir()
    localpods = Localpods(home / "localpods")
    key = localpods.secrets / NAMESPACE / "databricks" / "client-secret"
    key.parent.mkdir(parents=True)
    key.write_text(f"{SECRET}\n")  # as `kubectl create secret --from-file` often has it
    image = {"prefix": str(NOTEBOOKS), "entrypoint": [str(NOTEBOOKS / "bin" / "daybook")]}
    localpods.images.write_text(json.dumps({"daybook/notebook": image}))
    localpods.start()
    try:
        with StandIn(home / "cluster") as standin:
            standin.clusters.add(CLUSTER)
            standin.parts["identity"].principals["principal-1"] = SECRET
            pods = {kernel: start(localpods.api(), home, standin.host, kernel) for kernel in ("databricks", "python3")}
            logs = "".join(ended(localpods.api(), name) for name in pods.values())
        found = {each: json.loads((home / "bucket" / each / "manifest.json").read_text()) for each in pods}
        yield found, logs, home / "bucket"
    finally:
        localpods.close()


def start(api, home, host, kernel):
    """Makes the pod of a run with this kernel; gives its name."""
    oauth = {"client_id": "principal-1", "client_secret": {"name": "databricks", "key": "client-secret"}}
    workspace = a_workspace(databricks={"host": host, "cluster_id": CLUSTER, "oauth": oauth})
    source = NotebookSource(id="nb", source=str(home / "notebook.ipynb"), kernel=kernel)
    request = a_request(notebook=source, parameters={}, output=(home / "bucket" / kernel).as_uri())
    pod = ApiClient().sanitize_for_serialization(build_pod(request, workspace, RESOURCES))
    pod["metadata"]["name"] = f"nb-{kernel}"
    return api.create_namespaced_pod(NAMESPACE, pod).metadata.name


def ended(api, name):
    """Waits for a pod's end; gives its log."""
    wait_until(lambda: api.read_namespaced_pod(name, NAMESPACE).status.phase in ("Succeeded", "Failed"), LONG)
    return api.read_namespaced_pod_log(name, NAMESPACE)


def test_the_run_is_on_the_cluster_as_the_workspaces_principal(ran):
    records, said, _ = ran
    there = records["databricks"]
    assert (there["state"], there["message"]) == ("succeeded", None), said[-4000:]
    assert there["results"]["where"] == "16.4"
    assert there["results"]["workspace"] == "local"
    assert [each["path"] for each in there["outputs"]] == ["a.txt"]
    assert there["databricks"]["cluster_id"] == CLUSTER
    assert [each["cell"] for each in there["databricks"]["commands"]] == [0]


def test_cells_on_the_cluster_see_no_secret(ran):
    assert ran[0]["databricks"]["results"]["secrets"] == []


def test_a_run_with_another_kernel_sees_nothing_of_databricks(ran):
    here = ran[0]["python3"]
    assert (here["state"], here["databricks"]) == ("succeeded", None)
    assert here["results"]["databricks"] == []


def test_the_secret_is_nowhere_in_log_and_bucket(ran):
    _, said, bucket = ran
    assert SECRET not in said
    assert not any(SECRET.encode() in path.read_bytes() for path in bucket.rglob("*") if path.is_file())
