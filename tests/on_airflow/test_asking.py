"""What of its workspace the pod of a notebook may see."""

import pytest

from builders import a_workspace
from daybook.catalogue import Notebook
from daybook.on_airflow.asking import for_pod

DATABRICKS = {"host": "https://x.databricks.com", "cluster_id": "own", "token": {"name": "d", "key": "t"}}


def seen_by(**run):
    workspace = a_workspace(databricks=DATABRICKS, spark={"remote": "sc://h:1"})
    return for_pod(workspace, Notebook(id="nb", source="/nb.ipynb", run=run))


@pytest.mark.parametrize(
    ("run", "cluster"),
    [
        ({}, None),
        ({"kernel": "python3", "databricks_cluster": "other"}, None),
        ({"kernel": "databricks"}, "own"),
        ({"kernel": "databricks", "databricks_cluster": "other"}, "other"),
    ],
)
def test_databricks_is_seen_by_its_own_kernel_alone(run, cluster):
    found = seen_by(**run).databricks
    assert (found and found.cluster_id) == cluster


@pytest.mark.parametrize(("run", "is_seen"), [({}, True), ({"spark": False}, False)])
def test_spark_is_seen_unless_the_entry_says_otherwise(run, is_seen):
    assert (seen_by(**run).spark is not None) == is_seen
