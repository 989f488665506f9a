"""How runs end, one row an event: what Daybook leaves of it, and what is wrong with what plain papermill leaves.

Elsewhere, since they need more than a notebook: signals to the runner, and its own death (test_process,
test_durability); a kernel that does not start or stops answering (test_execute, test_hung); the limit of the whole
run (test_execute); memory (test_memory); floods beyond the limits (test_capping); a full disk (test_disk_full).
"""

import json
import os
from dataclasses import dataclass, field

import nbformat
import pytest

from daybook.contract.request import Limits
from runner.peers import COMPLETED, PASSES, UNMARKED, Papermill, faults
from runner.runs import notebook_of

KEEPS = "from daybook.notebook import outputs; outputs('kept.txt').write_text('kept')\nprint('first')"
SHOWS_LATER = "import time; print('last words', flush=True); time.sleep(0.5)\n"


@dataclass(frozen=True)
class Failure:
    """A cell that ends the run, between one that succeeds and one that must not run.

    Attributes:
        source: the cell's.
        reason: why the run failed.
        error: the name of the error, in the manifest.
        message: a part of the manifest's.
        papermill: what is wrong with what plain papermill leaves.
        printed: what the cell shows before the end.
        limits: for Daybook.
        options: for papermill.
    """

    source: str
    reason: str
    error: str
    message: str
    papermill: tuple[str, ...] = ()
    printed: str = ""
    limits: Limits = field(default_factory=Limits)
    options: dict = field(default_factory=dict)


MISLABELLED = (COMPLETED, UNMARKED)
SECOND = Limits(cell_timeout_seconds=1)
FAILURES = {
    "raises": Failure(
        "print('on my way')\nraise ValueError('\\x1b[31mred')",
        "cell_error",
        "ValueError",
        "ValueError: red",
        printed="on my way",
    ),
    "syntax": Failure("x = = 1", "cell_error", "SyntaxError", "SyntaxError"),
    "interrupts-itself": Failure("raise KeyboardInterrupt", "cell_error", "KeyboardInterrupt", "KeyboardInterrupt"),
    "shows-nothing": Failure(
        "class Odd:\n    def __repr__(self): raise ValueError('no text')\nOdd()",
        "cell_error",
        "ValueError",
        "no text",
    ),
    "killed": Failure(
        SHOWS_LATER + "import os; os.kill(os.getpid(), 9)",
        "kernel_died",
        "kernel_died",
        "the kernel was ended by SIGKILL in cell 2/3",
        printed="last words",
        papermill=MISLABELLED,
    ),
    "terminated": Failure(
        SHOWS_LATER + "import os; os.kill(os.getpid(), 15); time.sleep(9)",
        "kernel_died",
        "kernel_died",
        "the kernel was ended by SIGTERM in cell 2/3",
        printed="last words",
        papermill=MISLABELLED,
    ),
    "segfault": Failure(
        SHOWS_LATER + "import ctypes; ctypes.string_at(0)",
        "kernel_died",
        "kernel_died",
        "the kernel was ended by SIGSEGV in cell 2/3",
        printed="last words",
        papermill=MISLABELLED,
    ),
    "os-exit-0": Failure(
        "import os; os._exit(0)",
        "kernel_died",
        "kernel_died",
        "ended with exit code 0 in cell 2/3",
        papermill=MISLABELLED,
    ),
    "os-exit-3": Failure(
        "import os; os._exit(3)",
        "kernel_died",
        "kernel_died",
        "ended with exit code 3 in cell 2/3",
        papermill=MISLABELLED,
    ),
    "exit": Failure(
        "print('so far')\nexit()",
        "early_exit",
        "early_exit",
        "ended the notebook by exit()",
        printed="so far",
        papermill=MISLABELLED,
    ),
    "quit": Failure(
        "quit()", "early_exit", "early_exit", "ended the notebook by exit() or quit()", papermill=MISLABELLED
    ),
    "sys-exit": Failure(
        "import sys; sys.exit()", "early_exit", "SystemExit", "ended the notebook by SystemExit", papermill=(PASSES,)
    ),
    "sys-exit-0": Failure("import sys; sys.exit(0)", "early_exit", "SystemExit", "SystemExit: 0", papermill=(PASSES,)),
    "sys-exit-3": Failure("import sys; sys.exit(3)", "early_exit", "SystemExit", "SystemExit: 3"),
    "sys-exit-text": Failure("import sys; sys.exit('no data')", "early_exit", "SystemExit", "SystemExit: no data"),
    "input": Failure(
        "print('?')\ninput('name: ')", "cell_error", "StdinNotImplementedError", "does not support input", printed="?"
    ),
    "getpass": Failure(
        "from getpass import getpass; getpass()", "cell_error", "StdinNotImplementedError", "does not support input"
    ),
    "cell-limit": Failure(
        "import time; print('on my way', flush=True); time.sleep(60)",
        "cell_timeout",
        "cell_timeout",
        "cell 2/3 took longer than the 1 s that a cell may take",
        printed="on my way",
        limits=SECOND,
        options={"execution_timeout": 1},
        papermill=MISLABELLED,
    ),
}
STATES = ["succeeded", "failed", "not_run"]
WISHES = (FAILURES["exit"].source, FAILURES["quit"].source)
"""Mostly papermill reports these as successes; now and then it notices that the kernel has gone."""


@dataclass(frozen=True)
class Harmless:
    """A cell that does nothing wrong, however odd what it shows.

    Attributes:
        source: the cell's.
        outputs: what the cell shows, each by its kind and a part of it.
        hidden: what it must not show.
    """

    source: str
    outputs: tuple[tuple[str, str], ...] = ()
    hidden: str | None = None


HARMLESS = {
    "shows-to-come": Harmless(
        "import math, os, sys, time\nfrom IPython.display import clear_output, display\nfrom comm import create_comm"
    ),
    "not-utf-8": Harmless("os.write(1, b'\\xff raw bytes')\ntime.sleep(0.5)", (("stdout", "\ufffd raw bytes"),)),
    "huge-number": Harmless(
        "sys.set_int_max_str_digits(0)\nprint(10**5000)\n10**5000",
        (("stdout", "1" + 5000 * "0"), ("text/plain", "1" + 5000 * "0")),
    ),
    "huge-number-as-data": Harmless(
        "display({'application/json': {'n': 10**4000}}, raw=True)", (("application/json", "1" + 4000 * "0"),)
    ),
    "no-number": Harmless("print(math.nan, -math.inf)\nmath.nan", (("stdout", "nan -inf"), ("text/plain", "nan"))),
    "no-number-as-data": Harmless(
        "display({'application/json': {'n': math.nan}}, raw=True)", (("application/json", "nan"),)
    ),
    "unicode": Harmless("print('\\0 \\x1b[1m \u2028 \U0001f600')", (("stdout", "\0 \x1b[1m \u2028 \U0001f600"),)),
    "flood": Harmless("for i in range(20_000): print(i)\nprint('end')", (("stdout", "\n19999\nend\n"),)),
    "widget": Harmless(
        "comm = create_comm('jupyter.widget', data={'state': {'_model_name': 'M', '_model_module': 'm',"
        " '_model_module_version': '1', 'value': 1}}, metadata={'version': '2.1.0'})\n"
        "comm.send({'method': 'update', 'state': {'value': 2}})\n"
        "display({'application/vnd.jupyter.widget-view+json': {'model_id': comm.comm_id}}, raw=True)",
        (("application/vnd.jupyter.widget-view+json", "model_id"),),
    ),
    "comm-for-nobody": Harmless("create_comm('nobody', data={}).send({'a': 1})"),
    "cleared": Harmless("print('gone')\nclear_output()\nprint('stays')", (("stdout", "stays"),), hidden="gone"),
    "cleared-by-what-follows": Harmless(
        "print('gone')\nclear_output(wait=True)\nprint('stays')", (("stdout", "stays"),), hidden="gone"
    ),
    "updated-later": Harmless("handle = display('gone', display_id='d')", (("text/plain", "stays"),), hidden="gone"),
    "updates": Harmless("handle.update('stays')"),
    "streams-in-turn": Harmless(
        "print('a')\nprint('b', file=sys.stderr)\ndisplay('c')\nprint('d')",
        (("stdout", "a"), ("stderr", "b"), ("text/plain", "c"), ("stdout", "d")),
    ),
    "child": Harmless("import subprocess\nsubprocess.run(['echo', 'from a child']).returncode", (("text/plain", "0"),)),
}


@pytest.fixture(scope="module")
def papermill(tmp_path_factory):
    """Plain papermill, at work on every notebook of this page while Daybook is."""
    first = KEEPS.split("\n")[-1]
    jobs = {name: (notebook_of(first, row.source, "2"), row.options) for name, row in FAILURES.items()}
    jobs["harmless"] = (notebook_of(*(row.source for row in HARMLESS.values())), {})
    peer = Papermill(tmp_path_factory.mktemp("papermill"), jobs)
    yield peer
    peer.end()


@pytest.mark.usefixtures("papermill")
@pytest.mark.parametrize("name", FAILURES)
def test_a_run_that_fails_tells_why_everywhere_and_keeps_what_there_is(run, name):
    row = FAILURES[name]
    ended = run(KEEPS, row.source, "2", limits=row.limits)
    manifest, notebook = ended.manifest, ended.notebook
    assert (int(ended.exit_code), manifest.state, manifest.reason) == (1, "failed", row.reason), ended.said
    assert (manifest.exit_code, manifest.sealed, manifest.sealed_by) == (1, True, "runner")
    assert row.message in manifest.message
    assert (manifest.error.cell, manifest.error.name, manifest.error.source) == (1, row.error, row.source)
    assert "\x1b" not in manifest.error.traceback + manifest.message
    counts = manifest.cells
    assert (counts.total, counts.succeeded, counts.failed, counts.not_run, counts.current) == (3, 1, 1, 1, None)

    told = notebook["metadata"]
    assert (told["daybook"]["state"], told["daybook"]["reason"]) == ("failed", row.reason)
    assert told["daybook"]["message"] == manifest.message
    assert told["papermill"]["exception"] is True
    assert ended.states == STATES
    statuses = [cell["metadata"]["papermill"]["status"] for cell in notebook["cells"]]
    assert statuses == ["completed", "failed", "pending"]
    assert any(output["output_type"] == "error" for output in notebook["cells"][1]["outputs"])
    assert notebook["cells"][2]["outputs"] == []
    assert ended.printed(0) == "first\n"
    assert row.printed in ended.printed(1)

    assert [each.path for each in manifest.outputs] == ["kept.txt"]
    assert (ended.folder / "outputs" / "kept.txt").read_text() == "kept"
    named = {manifest.files.notebook, manifest.files.html, manifest.files.log, manifest.files.source}
    left = {path.relative_to(ended.folder).as_posix() for path in ended.folder.rglob("*") if path.is_file()}
    assert left == {*named, "manifest.json", "outputs/kept.txt"}
    assert list(ended.scratch.iterdir()) == []
    assert ended.said.splitlines()[-1].startswith(f"failed ({row.reason}): ")


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_wrong_with_what_plain_papermill_leaves_of_a_run_that_fails(papermill, name):
    error, notebook = papermill.result(name)
    row = FAILURES[name]
    found = faults(error, notebook, STATES, ("first", row.printed))
    assert found - ({PASSES} if row.source in WISHES else set()) == set(row.papermill), error


@pytest.fixture(scope="module")
def harmless(run_once):
    # With pytest's variable ipykernel does not watch the file of standard output.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return run_once(*(row.source for row in HARMLESS.values()), environment=environment)


def shown(notebook, name):
    """What a cell shows, each by its kind and as one text."""
    for output in notebook["cells"][list(HARMLESS).index(name)]["outputs"]:
        if output["output_type"] == "stream":
            yield output["name"], "".join(output["text"])
        for kind, data in output.get("data", {}).items():
            yield kind, json.dumps(data) if isinstance(data, dict) else "".join(data)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_no_harm_is_shown_and_ends_nothing(harmless, name):
    row = HARMLESS[name]
    assert harmless.exit_code == 0, harmless.said
    assert harmless.states[list(HARMLESS).index(name)] == "succeeded"
    found = [(kind, text) for kind, text in shown(harmless.notebook, name) if "Message serialization" not in text]
    for kind, part in row.outputs:
        assert any(kind == each and part in text for each, text in found)
    assert row.hidden is None or row.hidden not in json.dumps(found)


def test_outputs_of_several_kinds_stand_in_the_order_in_which_they_came(harmless):
    assert [kind for kind, _ in shown(harmless.notebook, "streams-in-turn")] == [
        "stdout",
        "stderr",
        "text/plain",
        "stdout",
    ]


def test_what_a_widget_shows_is_kept_with_its_last_state(harmless):
    [view] = (text for kind, text in shown(harmless.notebook, "widget") if kind.endswith("view+json"))
    kept = harmless.notebook["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert kept[json.loads(view)["model_id"]]["state"]["value"] == 2


def test_a_notebook_with_numbers_that_json_does_not_know_is_json_all_the_same(harmless):
    def refuse(constant):
        raise AssertionError(f"{constant} in the file")

    nbformat.validate(
        nbformat.from_dict(json.loads((harmless.folder / "notebook.ipynb").read_text(), parse_constant=refuse))
    )


def test_plain_papermill_ends_nothing_either(papermill):
    assert faults(*papermill.result("harmless"), ["succeeded"] * len(HARMLESS), ("stays", "raw bytes")) == set()
