"""A really started localpods, on which the image of Spark servers is a stand-in without Java."""

import json
import sys

import pytest

from builders import a_workspace
from daybook.on_airflow.spark_servers.servers import SparkServers
from daybook.pods.spark import WantedServer
from localpods.really_started import Localpods

STAND_IN = """
import os, pathlib, signal, sys, time
state = pathlib.Path(os.environ["DAYBOOK_SPARK_STATE"])
how = os.environ["HOW"]
if how == "fails":
    print("no usable Java: it is too old", flush=True)
    sys.exit(3)
if how == "answers":
    key = pathlib.Path(os.environ["DAYBOOK_SPARK_KEY_FILE"]).read_text()
    assert len(key) > 40 and sys.argv[1:] == ["pod"]
    (state / "ready").touch()
if how == "stays":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("it stands in", flush=True)
while not (state / "end").exists():
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The localpods."""
    folder = tmp_path_factory.mktemp("servers")
    (folder / "stand_in.py").write_text(STAND_IN)
    running = Localpods(folder)
    image = {"prefix": sys.prefix, "entrypoint": [sys.executable, str(folder / "stand_in.py")]}
    running.images.write_text(json.dumps({"daybook/spark": image}))
    running.start()
    yield running
    running.close()


@pytest.fixture
def servers(cluster):
    """The servers of it."""
    api = cluster.api()
    yield SparkServers(lambda: api)
    for pod in api.list_pod_for_all_namespaces().items:
        api.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0)
        assert cluster.gone(pod.metadata.name)


def a_wanted(how="answers", name="research", profile=None, owner=None, **server):
    """A server that a workspace wants, whose stand-in does as it is told."""
    workspace = a_workspace(name=name, environment={"HOW": how}, spark={"server": server})
    return WantedServer.of(workspace, profile, owner)
