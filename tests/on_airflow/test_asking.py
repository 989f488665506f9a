"""How much memory an attempt gets after others that had too little."""

import pytest

from builders import a_manifest, a_workspace
from daybook.catalogue import Notebook
from daybook.contract.manifest import MAX_ATTEMPTS, Reason, State
from daybook.on_airflow.asking import enough_memory

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
