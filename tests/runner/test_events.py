"""What the kernel `databricks` tells of its cluster comes into the record, by the notebook's own cells."""

import json

import nbformat
import pytest

from daybook.contract.manifest import CellError, DatabricksCommand, Reason, State
from daybook.runner.ending import Ending, told_by_kernel
from daybook.runner.events import Events, events_of

CLUSTER = {"kind": "databricks", "host": "https://x", "cluster_id": "c-1", "driver_log": "https://x/#log"}


def events(tmp_path, *lines):
    path = tmp_path / "events"
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return events_of(path)


def executed(*counts):
    """A notebook whose code cells have these execution counts, behind a text."""
    cells = [nbformat.v4.new_code_cell("x", execution_count=count) for count in counts]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("text"), *cells])


def test_a_cluster_is_told_bit_by_bit(tmp_path):
    told = events(
        tmp_path,
        CLUSTER,
        {"kind": "databricks", "context_id": "x-1", "spark_version": "3.5.0", "runtime_version": "15.4"},
        {"kind": "databricks", "context_id": 7},
        {"kind": "databricks_lost", "what": "output a.csv"},
    )
    assert told.databricks.cluster_id == "c-1"
    assert (told.databricks.context_id, told.databricks.runtime_version) == ("x-1", "15.4")
    assert told.lost == ["output a.csv"]


def test_commands_stand_by_the_cells_they_were_sent_for(tmp_path):
    commands = [{"kind": "databricks_command", "execution_count": n, "command_id": f"cmd-{n}"} for n in (1, 2, 9)]
    found = events(tmp_path, CLUSTER, *commands).cluster_of(executed(1, None, 2))
    assert found.commands == (
        DatabricksCommand(cell=1, command_id="cmd-1"),
        DatabricksCommand(cell=3, command_id="cmd-2"),
    )
    assert events(tmp_path, *commands).cluster_of(executed(1)) is None


def failed(cell, reason=Reason.CELL_ERROR):
    return Ending(State.FAILED, reason, "cell 1/2 raised X", CellError(cell=cell, name="X"))


@pytest.mark.parametrize(
    ("ending", "count", "reason"),
    [
        (failed(2), 2, Reason.CLUSTER_UNAVAILABLE),
        (failed(2), 1, Reason.CELL_ERROR),  # that cell was allowed to fail; what ended the run is another
        (failed(None), 2, Reason.CELL_ERROR),
        (failed(2, Reason.CELL_TIMEOUT), 2, Reason.CELL_TIMEOUT),
    ],
)
def test_a_cell_that_failed_for_its_cluster_says_so(tmp_path, ending, count, reason):
    failure = {"kind": "databricks_failure", "execution_count": count, "reason": "cluster_unavailable"}
    found = told_by_kernel(ending, executed(1, 2), events(tmp_path, failure))
    assert (found.reason, found.message, found.error) == (reason, ending.message, ending.error)


@pytest.mark.parametrize("reason", ["cancelled", "store_failed", "no_such", 1, None])
def test_a_kernel_cannot_give_a_reason_that_is_not_its_own_to_give(tmp_path, reason):
    assert events(tmp_path, {"kind": "databricks_failure", "execution_count": 1, "reason": reason}).failures == {}


def test_without_a_file_nothing_was_told(tmp_path):
    assert events_of(tmp_path / "none") == Events()
