"""Notebooks with the traits of those that papermill and nbclient test themselves with, one test a trait.

What becomes of a run that fails stands in `test_endings`; where the parameters' cell goes, in `test_prepare`.
"""

import datetime
import json

import nbformat
import pytest

from daybook.contract.errors import ExitCode
from runner.runs import code, notebook_of, text


def outputs(ended, place):
    return ended.notebook["cells"][place].get("outputs")


def shown(ended, place):
    """What a cell shows as plain text, one output after another."""
    return [
        "".join(each["text"] if each["output_type"] == "stream" else each.get("data", {}).get("text/plain", ["?"]))
        for each in outputs(ended, place)
    ]


@pytest.fixture(scope="module")
def plain(run_once):
    """Many cells that know nothing of each other, in one run."""
    return run_once(*PLAIN.values())


WIDGET = """
import sys
from comm import create_comm
model = {"_model_name": "OutputModel", "_model_module": "@jupyter-widgets/output", "_model_module_version": "1.0.0"}
state = {**model, "msg_id": "", "outputs": []}
box = create_comm("jupyter.widget", data={"state": state}, metadata={"version": "2.1.0"})
def catch(message_id):
    sys.stdout.flush()
    box.send({"method": "update", "state": {"msg_id": message_id}})
"""
CATCH = """
catch(get_ipython().kernel.get_parent()["header"]["msg_id"])
print("caught")
display("caught too")
catch("")
print("at the cell")
box.comm_id
"""
PLAIN = {
    "import": "import time\nfrom IPython.display import HTML, SVG, Image, clear_output, display",
    "nothing": "",
    "result": "'code'",
    "comment": "# only a comment",
    "skipped": code("print('a long time')", "skip-execution"),
    "snowman": "print('\u2603')",
    "history": "get_ipython().history_manager.hist_file",
    "cleared often": "for i in range(5):\n    clear_output()\n    print(i)",
    "cleared at the end": "print('a')\nclear_output()",
    "to be cleared": "print('a', end='')\nclear_output(wait=True)",
    "cleared by what follows": "print('a', end='')\nclear_output(wait=True)\nprint('b', end='')",
    "display cleared": "one = display('a', display_id='one')\nclear_output()\nprint('b')",
    "update of what is cleared": "one.update('c')",
    "shown twice": "two = display('a', display_id='two')\nagain = display('b', display_id='two')",
    "updated": "two.update('c')",
    "result with an id": "class Shown:\n    def _ipython_display_(self): display('d', display_id='two')\nShown()",
    "updated again": "two.update('e')",
    "drawing": "SVG(data='<svg height=\"9\" width=\"9\"><circle cx=\"4\" cy=\"4\" r=\"4\"/></svg>')",
    "image": "import base64\nImage(base64.b64decode('iVBORw0KGgo='), format='png')",
    "raises": code("import sys\nprint('out')\nprint('err', file=sys.stderr)\nraise Exception('m')", "raises-exception"),
    "goes on": "print('ok')",
    "shell": "%%bash\necho from a shell",
    "shell fails": "!exit 3\n_exit_code",
    "logs": "import logging\nlogging.basicConfig(level=logging.INFO)\nlogging.getLogger('test').info('told')",
    "background": "import threading\nthreading.Timer(0.05, print, ['later']).start()\ntime.sleep(0.3)",
    "widget": WIDGET,
    "output caught": CATCH,
    "sleeps": "began = time.time()\ntime.sleep(0.2)",
    "times": "print(began)",
}  # fmt: skip
SHOWN = {
    "import": [],
    "nothing": [],
    "result": ["'code'"],
    "comment": [],
    "skipped": [],
    "snowman": ["\u2603\n"],
    "history": ["':memory:'"],
    "cleared often": ["4\n"],
    "cleared at the end": [],
    "to be cleared": ["a"],
    "cleared by what follows": ["b"],
    "display cleared": ["b\n"],
    "update of what is cleared": [],
    "shown twice": ["'e'", "'e'"],
    "updated": [],
    "result with an id": ["'e'"],
    "updated again": [],
    "raises": ["out\n", "err\n", "?"],
    "goes on": ["ok\n"],
    "shell": ["from a shell\n"],
    "shell fails": ["3"],
    "logs": ["INFO:test:told\n"],
    "background": ["later\n"],
    "widget": [],
}


def place(name):
    return list(PLAIN).index(name)


@pytest.mark.parametrize("name", SHOWN)
def test_a_cell_shows_what_jupyter_would_show(plain, name):
    assert plain.exit_code is ExitCode.SUCCEEDED, plain.said
    assert shown(plain, place(name)) == SHOWN[name]


def test_only_cells_that_ran_are_counted(plain):
    counts = [cell["execution_count"] for cell in plain.notebook["cells"]]
    ran = [name for name in PLAIN if name not in ("nothing", "skipped")]
    assert [counts[place(name)] for name in ran] == list(range(1, len(ran) + 1))
    assert counts[place("nothing")] is counts[place("skipped")] is None
    assert plain.states[place("nothing")] == plain.states[place("skipped")] == "skipped"


def test_images_are_kept_as_the_kernel_sent_them(plain):
    [drawing] = outputs(plain, place("drawing"))
    assert "".join(drawing["data"]["image/svg+xml"]).startswith('<svg height="9"')
    [image] = outputs(plain, place("image"))
    assert image["data"]["image/png"].strip() == "iVBORw0KGgo="
    assert (image["output_type"], image["execution_count"]) == ("execute_result", 17)


def test_an_expected_exception_is_shown_and_the_cell_has_succeeded(plain):
    assert plain.states[place("raises")] == "succeeded"
    [*_, error] = outputs(plain, place("raises"))
    assert (error["output_type"], error["ename"], error["evalue"]) == ("error", "Exception", "m")


def test_what_a_widget_catches_is_in_the_widget_alone(plain):
    *_, identity = shown(plain, place("output caught"))
    assert shown(plain, place("output caught")) == ["at the cell\n", identity]
    widgets = plain.notebook["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
    caught = widgets["state"][identity.strip("'")]["state"]["outputs"]
    assert [each["output_type"] for each in caught] == ["stream", "display_data"]
    assert "".join(caught[0]["text"]) == "caught\n"


def test_the_notebook_tells_when_the_kernel_began_and_ended_a_cell(plain):
    marks = plain.notebook["cells"][place("sleeps")]["metadata"]["execution"]
    at = {name: datetime.datetime.fromisoformat(mark).timestamp() for name, mark in marks.items()}
    assert set(at) == {"iopub.status.busy", "iopub.execute_input", "iopub.status.idle", "shell.execute_reply"}
    began = float(shown(plain, place("times"))[0])
    assert at["iopub.status.busy"] <= at["iopub.execute_input"] <= began
    assert began + 0.2 <= at["shell.execute_reply"] <= at["iopub.status.idle"] < began + 30


def test_a_notebook_that_names_nothing_gets_the_kernel_s_words_and_is_valid(run):
    ended = run(document={"nbformat": 4, "nbformat_minor": 2, "metadata": {"orig_nbformat": 2}, "cells": [code("")]},
                parameters={"var": "It works"})  # fmt: skip
    assert ended.exit_code is ExitCode.SUCCEEDED
    notebook = ended.notebook
    nbformat.validate(nbformat.from_dict(notebook))
    assert notebook["metadata"]["language_info"]["name"] == "python"
    assert notebook["metadata"]["papermill"]["parameters"] == {"var": "It works"}
    assert ended.states == ["succeeded", "skipped"]


QUOTED = {
    "plain": "Hello",
    "quoted": '"Hello"',
    "backslash": r"do\ not\ crash",
    "both": r"bar=\"baz\"",
    "twice": r"\\\"bar\\\"",
    "lines": "a\nb\r\nc\t",
    "not_ascii": "üñîçø∂é \u2603 \U0001f600 \x00 \x7f \u2028",
    "nothing": None,
    "truth": [True, False],
    "numbers": [0, -1, 2**63, 1e-7, 1.5, -0.0],
    "nested": {"a": {"b": [{"c": None}]}, "": "", "with space": "'"},
    "day": "2019-01-01",
    "text_of_a_number": "007",
    "text_of_truth": "True",
}


def test_parameters_arrive_as_they_were_given(run):
    declared = code("\n".join(f"{name} = 'default'" for name in QUOTED), "parameters")
    arrived = f"import json, pathlib\npathlib.Path('outputs/got.json').write_text(json.dumps([{', '.join(QUOTED)}]))"
    ended = run(declared, arrived, parameters=QUOTED)
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert json.loads((ended.folder / "outputs" / "got.json").read_text()) == list(QUOTED.values())
    assert ended.manifest.parameters == QUOTED
    assert ended.notebook["metadata"]["papermill"]["parameters"] == QUOTED


def test_marks_of_an_earlier_failure_go_and_the_cell_that_fails_now_is_told(run):
    mark = text("An Exception was encountered")
    mark["metadata"]["tags"] = ["papermill-error-cell-tag"]
    fails = "display('shown before')\nassert False"
    ended = run(mark, text("words"), mark, "print('good')", text("more"), fails, "print 'not reached'")
    assert (ended.exit_code, ended.manifest.error.cell) == (ExitCode.NOTEBOOK_FAILED, 3)
    cells = ended.notebook["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code", "markdown", "code", "code"]
    assert [cell.get("execution_count") for cell in cells] == [None, 1, None, 2, None]
    assert [each["output_type"] for each in outputs(ended, 3)] == ["display_data", "error"]
    assert "[2]" in ended.manifest.error.traceback


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("%undefined-line-magic", "UsageError"),
        ("%%undefined_cell_magic\n1", "UsageError"),
        ("print 'Python 2'", "SyntaxError"),
        ("%%bash\nexit 3", "CalledProcessError"),
        ("from nowhere import nothing", "ModuleNotFoundError"),
    ],
)
def test_what_ipython_refuses_ends_the_run(run, source, name):
    ended = run("1", source, "print('not reached')")
    assert (ended.exit_code, ended.manifest.error.name) == (ExitCode.NOTEBOOK_FAILED, name)
    assert ended.states == ["succeeded", "failed", "not_run"]
    assert outputs(ended, 2) == []


def test_a_parameters_cell_that_is_no_python_fails_as_a_cell(run):
    ended = run(code("msg = None\na: float = 2.25 # a number\n= 2", "parameters"), "msg")
    assert (ended.exit_code, ended.manifest.error.name) == (ExitCode.NOTEBOOK_FAILED, "SyntaxError")
    assert ended.states == ["failed", "not_run"]


@pytest.fixture(scope="module")
def executed(run_once):
    """An executed notebook's path, whose authors use papermill's tools on it."""
    declared = code(
        "msg = None\na: float = 2.25 # Variable a\nb = ['Hello', 'World'] # type: List[str] Nice list", "parameters"
    )
    scrap = """
from IPython.display import display
scrap = {"name": "mean", "data": 12.5, "encoder": "json", "version": 1}
display({"application/scrapbook.scrap.json+json": scrap}, metadata={"scrapbook": {"name": "mean"}}, raw=True)
"""  # fmt: skip
    ended = run_once(declared, "#papermill_description=words\nprint(msg)", scrap, parameters={"msg": "Hello"})
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    return str(ended.folder / "notebook.ipynb")


def test_papermill_s_own_tools_read_an_executed_notebook(executed):
    from papermill.inspection import inspect_notebook
    from papermill.iorw import load_notebook_node

    inspected = inspect_notebook(executed)
    assert {name: (each["inferred_type_name"], each["default"], each["help"]) for name, each in inspected.items()} == {
        "msg": ("None", "None", ""),
        "a": ("float", "2.25", "Variable a"),
        "b": ("List[str]", "['Hello', 'World']", "Nice list"),
    }
    notebook = load_notebook_node(executed)
    told = notebook.metadata.papermill
    assert told.parameters == {"msg": "Hello"}
    assert told.exception is None
    assert told.input_path.endswith(".ipynb")
    assert told.output_path == f"file://{executed}"
    assert told.environment_variables == {}
    began, ended = (datetime.datetime.fromisoformat(told[each]) for each in ("start_time", "end_time"))
    assert told.duration == pytest.approx((ended - began).total_seconds(), abs=0.01)
    for cell in notebook.cells:
        mark = cell.metadata.papermill
        assert (mark.status, mark.exception) == ("completed", False)
        assert 0 <= mark.duration <= told.duration


def test_papermill_runs_an_executed_notebook_again(executed, tmp_path):
    import papermill

    papermill.execute_notebook(
        executed, tmp_path / "again.ipynb", {"msg": "Bye"}, prepare_only=True, progress_bar=False
    )
    again = nbformat.read(tmp_path / "again.ipynb", as_version=4)
    assert [cell.source for cell in again.cells if "injected-parameters" in cell.metadata.tags] == [
        '# Parameters\nmsg = "Bye"\n'
    ]


def test_what_notebooks_hand_to_readers_of_scraps_is_kept_with_its_name(executed):
    notebook = nbformat.read(executed, as_version=4)
    [scrap] = (each for cell in notebook.cells for each in cell.outputs if "scrapbook" in each.get("metadata", {}))
    assert scrap.metadata.scrapbook.name == "mean"
    assert scrap.data["application/scrapbook.scrap.json+json"]["data"] == 12.5


def test_words_of_other_programs_in_the_metadata_stay(run):
    document = notebook_of(code("1"))
    document["metadata"] |= {"celltoolbar": "Edit", "hide_input": False, "papermill": {"version": "0.1", "more": 1}}
    document["cells"][0]["metadata"] |= {"scrolled": True, "colab": {"height": 34}, "ExecuteTime": {"start_time": "x"}}
    ended = run(document=document)
    metadata = ended.notebook["metadata"]
    assert (metadata["celltoolbar"], metadata["hide_input"], metadata["papermill"]["more"]) == ("Edit", False, 1)
    cell = ended.notebook["cells"][0]["metadata"]
    assert (cell["scrolled"], cell["colab"], cell["ExecuteTime"]) == (True, {"height": 34}, {"start_time": "x"})
