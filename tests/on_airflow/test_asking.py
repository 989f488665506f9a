"""How much memory an attempt gets after others that had too little, and what of its workspace its pod may see."""

import pytest

from builders import a_manifest, a_workspace
from daybook.catalogue import Notebook
from daybook.contract.manifest import MAX_ATTEMPTS, Reason, State
from daybook.on_airflow.asking import enough_memory, for_pod

GREEDY = Notebook(id="nb", source="x", run={"memory": "1Gi", "retry_with_more_memory": True})


class Record:
    """Of a run whose attempts all ran out of memory; counts how often it is read."""

    def __init__(self):
        self.read = []

    def earlier(self, attempt):
        self.read.append(attempt)
        return out_of_memory(attempt)


def out_of_memory(attempt):
    return a_manifest(attempt=attempt, state=State.FAILED, reason=Reason.OUT_OF_MEMORY)


@pytest.mark.parametrize(("attempt", "memory"), [(1, 2), (2, 4), (3, 8), (4, 8)])
def test_each_attempt_that_ran_out_of_memory_doubles_it_up_to_the_maximum(attempt, memory):
    workspace = a_workspace(maximum={"memory": "8Gi"})
    resources, more = enough_memory(GREEDY, workspace, Record(), out_of_memory(attempt))
    assert (resources.memory_bytes, more) == (memory * 2**30, attempt < 4)


def test_a_record_that_tells_of_a_million_attempts_has_few_of_them_read():
    record = Record()
    resources, _ = enough_memory(GREEDY, a_workspace(maximum={"memory": "8Gi"}), record, out_of_memory(MAX_ATTEMPTS))
    assert resources.memory_bytes == 8 * 2**30
    assert 0 < len(record.read) < 100


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
