"""A notebook that ends itself: a failure, unless its entry in the catalogue allows it."""

import pytest

from daybook.contract.errors import ExitCode
from daybook.contract.manifest import Reason, State

WISHES = ["exit()", "quit()", "import sys; sys.exit()", "import sys; sys.exit(0)", "raise SystemExit"]


@pytest.mark.parametrize("wish", WISHES)
def test_where_it_may_the_run_succeeds_and_later_cells_did_not_run(run, wish):
    ended = run("print('work')", f"print('enough')\n{wish}", "print('never')", may_end_early=True)
    manifest = ended.manifest
    assert (manifest.state, manifest.reason, ended.exit_code) == (State.SUCCEEDED, None, ExitCode.SUCCEEDED)
    assert "cell 2/3 ended the notebook by" in manifest.message
    assert ended.states == ["succeeded", "succeeded", "not_run"]
    assert ended.printed(1).startswith("enough\n")
    assert not any(each["output_type"] == "error" for each in ended.notebook["cells"][1]["outputs"])
    assert ended.notebook["metadata"]["daybook"]["state"] == "succeeded"


@pytest.mark.parametrize("complaint", ["import sys; sys.exit(3)", "import sys; sys.exit('no data')"])
def test_ending_with_a_complaint_is_a_failure_even_so(run, complaint):
    ended = run(complaint, "2", may_end_early=True)
    assert (ended.manifest.state, ended.manifest.reason) == (State.FAILED, Reason.EARLY_EXIT)
    assert ended.exit_code is ExitCode.NOTEBOOK_FAILED
    assert ended.states == ["failed", "not_run"]


def test_leaving_the_process_is_no_polite_way_to_end(run):
    ended = run("import os; os._exit(0)", "2", may_end_early=True)
    assert (ended.manifest.state, ended.manifest.reason) == (State.FAILED, Reason.KERNEL_DIED)


@pytest.mark.parametrize("wish", ["exit(1)", "quit(5)", "exit(True)"])
@pytest.mark.parametrize("allowed", [True, False])
def test_exit_with_a_number_is_a_complaint_and_no_wish_to_go_on(run, wish, allowed):
    ended = run(wish, "print('never')", may_end_early=allowed)
    assert (ended.manifest.state, ended.manifest.reason) == (State.FAILED, Reason.EARLY_EXIT)
    assert ended.states == ["failed", "not_run"]
