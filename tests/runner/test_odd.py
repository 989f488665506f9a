"""Odd things that notebooks do, and that must not cost them their record."""

import json
import signal

import pytest

from daybook.contract.errors import ExitCode, RunInterrupted
from daybook.contract.manifest import Manifest, Reason, State
from daybook.runner import execute
from daybook.runner.executing import Execution
from daybook.storage import RunRecord, open_store

DEEP = "value = 1\nfor _ in range({levels}): value = [value]\n"


def test_an_output_that_is_nested_too_deeply_is_a_fault_that_the_record_tells_of(run):
    shown = DEEP.format(levels=900) + "display({'application/json': value}, raw=True)"
    ended = run("print('work')", shown, "print('more')")
    manifest = ended.manifest
    assert manifest.sealed
    assert ended.exit_code == manifest.exit_code
    assert manifest.state in (State.SUCCEEDED, State.FAILED)
    if manifest.state is State.FAILED:
        assert manifest.reason is Reason.INTERNAL_ERROR
        assert manifest.files.log == "log.txt"
        assert "RecursionError" in (ended.folder / "log.txt").read_text()


def test_a_result_that_is_nested_too_deeply_is_left_out_and_the_manifest_can_be_read(run):
    ended = run(
        "from daybook.notebook import record\n" + DEEP.format(levels=200) + "record('deep', value)\nrecord('a', 1)"
    )
    assert ended.exit_code is ExitCode.SUCCEEDED
    assert ended.manifest.results == {"a": 1}
    assert "result 'deep': it is nested more than 50 levels deep" in ended.said


def test_what_is_told_in_nonsense_is_no_reason_to_fail(run):
    ended = run("import os\nopen(os.environ['DAYBOOK_RESULTS'], 'w').write('[' * 200_000)")
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert "line 1 of what the notebook recorded is not a JSON object" in ended.said


def test_an_output_whose_name_no_bucket_takes_is_left_out_alone(run):
    odd = "for name in ('a\\tb.txt', 'ok.txt'): outputs(name).write_text('x')"
    ended = run(f"from daybook.notebook import outputs\n{odd}")
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert [each.path for each in ended.manifest.outputs] == ["ok.txt"]
    assert "left out" in ended.said


def test_the_exception_that_ended_a_cell_is_told_not_one_that_it_has_shown(run):
    ended = run("try: 1/0\nexcept ZeroDivisionError: get_ipython().showtraceback()\nraise ValueError('real')")
    assert ended.manifest.error.name == "ValueError"
    assert "real" in ended.manifest.message


def test_a_fault_while_saving_on_the_way_costs_the_run_nothing(run, monkeypatch):
    from daybook.runner.attempt import Attempt

    copy, failures = Attempt.copy, iter([True, True])

    def failing(attempt, held):
        if attempt.tally is not None and next(failures, False):
            raise MemoryError("no room")
        return copy(attempt, held)

    monkeypatch.setattr(Attempt, "copy", failing)
    ended = run("import time\nfor i in range(8): print(i, flush=True); time.sleep(0.5)", "print('done')")
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert "cannot save what is new, the run goes on: MemoryError" in ended.said
    assert ended.printed(1) == "done\n"


def test_when_the_time_is_up_no_further_cell_is_begun(run, monkeypatch):
    monkeypatch.setattr(
        Execution, "_time_left", lambda *_, of_cell=True: (Reason.RUN_TIMEOUT, 0.0 if of_cell else None)
    )
    ended = run("open('touched', 'w')", "2")
    assert (ended.manifest.state, ended.manifest.reason) == (State.FAILED, Reason.RUN_TIMEOUT)
    assert ended.states == ["not_run", "not_run"]
    assert "cell 1/2 was next" in ended.manifest.message


def test_a_stale_attempt_keeps_what_it_has_made_and_says_where(run, tmp_path):
    output = (tmp_path / "same").as_uri()
    take_over = f"""
from daybook.notebook import outputs
outputs("precious.txt").write_text("hours of work")
import json, pathlib
place = pathlib.Path({str(tmp_path / "same" / "manifest.json")!r})
manifest = json.loads(place.read_text())
manifest["attempt"] = 2
place.write_text(json.dumps(manifest))
"""
    ended = run(take_over, output=output)
    assert ended.exit_code is ExitCode.INTERRUPTED
    [folder] = ended.scratch.iterdir()
    assert (folder / "work" / "outputs" / "precious.txt").read_text() == "hours of work"
    assert str(folder) in ended.said.splitlines()[-1]
    assert RunRecord(open_store(output)).read().attempt == 2


def test_the_manifest_reads_back(run):
    ended = run("print(1)")
    text = (ended.folder / "manifest.json").read_text()
    assert Manifest.from_json(text) == Manifest.from_json(json.dumps(json.loads(text)))


@pytest.mark.parametrize("data", ["{}", "{'state': 'none'}", "{'state': {'_model_name': 'X'}}"])
def test_a_widget_that_makes_no_sense_costs_the_run_nothing(run, data):
    widget = f"from comm import create_comm\ncreate_comm(target_name='jupyter.widget', data={data})\nprint('on')"
    ended = run(widget, "2")
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert ended.printed(0) == "on\n"
    if "_model_name" in data:
        assert "a widget's message makes no sense and was passed over: KeyError" in ended.said


def test_a_signal_that_some_library_makes_another_error_of_is_still_a_signal(run, monkeypatch):
    def swallowing(*_):
        try:
            signal.raise_signal(signal.SIGTERM)
        except RunInterrupted as error:
            raise ImportError("as compiled modules say it") from error

    monkeypatch.setattr(execute, "prepare", swallowing)
    ended = run("1")
    assert (ended.exit_code, ended.manifest.state) == (ExitCode.INTERRUPTED, State.INTERRUPTED)
    assert "SIGTERM" in ended.manifest.message
