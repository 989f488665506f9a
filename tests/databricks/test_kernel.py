"""The kernel as Jupyter starts it: its messages, its interrupts, its end."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from traitlets.config import Config

from databricks.kernels import SECONDS, jupyter_folder, notebook, program_in, started
from databricks.sessions import CLUSTER
from databricks.standin import Fault
from daybook.databricks.in_run.reporter import END_SECONDS
from daybook.databricks.kernel import LEAVE_SECONDS

NO_FILES = {"DAYBOOK_DATABRICKS_SYNC_ENABLED": "false"}
LONG = "print('began')\nimport time\ntime.sleep(600)"


@pytest.fixture(autouse=True)
def jupyter(tmp_path, monkeypatch):
    """The kernel is found, and nothing of the machine's Jupyter."""
    monkeypatch.setenv("JUPYTER_PATH", str(jupyter_folder(tmp_path / "jupyter", argv=program_in(tmp_path))))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture
def work(tmp_path):
    """Where the notebook lies; not in a project."""
    work = tmp_path / "work"
    work.mkdir()
    return work


@pytest.fixture
def environment(standin):
    return {**standin.environment(CLUSTER), **NO_FILES}


@pytest.fixture
def kernel(environment, work):
    with started(environment, work) as kernel:
        yield kernel


def running(standin):
    """Waits until the last command of the stand-in runs."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = list(standin.commands.all.values())
        if found and "sleep(600)" in found[-1].code and found[-1].status == "Running":
            return
        time.sleep(0.02)
    raise AssertionError("no command runs")


def test_a_cell_is_answered_with_jupyters_messages(kernel):
    ran = kernel.run("print('hello')\n6 * 7")
    assert ran.reply["status"] == "ok"
    assert ran.outputs == [{"name": "stdout", "text": "hello\n42"}]
    (table,) = kernel.run("display([{'a': 1}])").outputs
    assert set(table["data"]) == {"text/html", "text/plain"}
    failed = kernel.run("print('so far')\n1 / 0")
    assert failed.reply["ename"] == "ZeroDivisionError"
    assert failed.outputs[0] == {"name": "stdout", "text": "so far\n"}
    assert failed.outputs[1]["ename"] == "ZeroDivisionError"
    assert failed.outputs[1]["traceback"][-1] == "ZeroDivisionError: division by zero"


def test_an_empty_cell_asks_nothing_of_databricks(standin, kernel):
    assert kernel.run(" \n").reply["status"] == "ok"
    assert standin.asked == []


@pytest.mark.parametrize("by", ["message", "signal"])
def test_an_interrupt_cancels_the_remote_command_while_the_kernel_stays_live(standin, kernel, by):
    kernel.run("x = 1")
    asked = kernel.begin(LONG)
    running(standin)
    assert kernel.client.is_alive()
    assert kernel.client.hb_channel.is_beating()
    assert kernel.ask_control("kernel_info_request")["status"] == "ok"
    if by == "message":
        assert kernel.ask_control("interrupt_request") == {"status": "ok"}
    else:
        kernel.signal(signal.SIGINT)
    ran = kernel.ended(asked)
    assert ran.reply["ename"] == "KeyboardInterrupt"
    assert ran.printed == "began\n"
    assert standin.count("/commands/cancel") == 1
    assert kernel.run("print(x)").printed == "1"


def test_input_fails_at_once_even_for_those_who_could_answer(kernel):
    ran = kernel.run("input('Who? ')", watched=True)
    assert "cannot be answered on a Databricks cluster" in ran.reply["evalue"]


def test_a_lost_context_is_an_error_and_whoever_watches_goes_on(standin, kernel):
    kernel.run("x = 1", watched=True)
    standin.contexts.lose_all()
    assert kernel.run("y = x", watched=True).reply["ename"] == "ContextLost"
    ran = kernel.run("print('x' in globals())", watched=True)
    assert "variables are gone" in ran.outputs[0]["text"]
    assert ran.outputs[1]["text"] == "False"


def test_a_cold_cluster_is_one_output_that_changes(standin, work):
    standin.clusters.add("cold", state="TERMINATED", start_seconds=0.5)
    with started({**standin.environment("cold"), **NO_FILES}, work) as kernel:
        ran = kernel.run("print('up')")
    identities = {each["transient"]["display_id"] for each in ran.outputs if "transient" in each}
    assert len(identities) == 1
    assert "PENDING" in ran.outputs[0]["data"]["text/plain"]
    assert ran.outputs[-1]["data"]["text/plain"] == "The cluster was waited for."
    assert ran.printed == "up"


@pytest.mark.parametrize("how", ["shutdown", "restart"])
def test_the_context_ends_with_the_kernel(standin, kernel, how):
    kernel.run("x = 1")
    asked = kernel.begin(LONG)
    running(standin)
    if how == "shutdown":
        kernel.manager.shutdown_kernel()
    else:
        kernel.manager.restart_kernel()
        kernel.client.wait_for_ready(timeout=SECONDS)
    assert asked
    assert standin.contexts.ids == []
    assert standin.count("/commands/cancel") >= 1


def test_the_end_comes_before_jupyter_loses_patience():
    assert KernelManager().shutdown_wait_time > END_SECONDS + LEAVE_SECONDS


WAITS = """import daybook.databricks.connection
daybook.databricks.connection.HTTP_SECONDS = 100_000
import daybook.databricks.__main__
daybook.databricks.__main__.main()
"""


@pytest.mark.parametrize(("how", "code"), [("shutdown", 0), ("signal", 128 + signal.SIGTERM)])
def test_a_databricks_that_does_not_answer_keeps_no_kernel(
    standin, environment, work, tmp_path, monkeypatch, how, code
):
    monkeypatch.setenv("JUPYTER_PATH", str(jupyter_folder(tmp_path / "other", argv=program_in(tmp_path, WAITS))))
    answered = threading.Event()
    with started(environment, work) as kernel:
        kernel.run("x = 1")
        standin.faults.add(Fault("/contexts/destroy", None, until=answered))
        if how == "signal":
            kernel.signal(signal.SIGTERM)
        else:
            kernel.client.shutdown()
        ended = kernel.manager.provisioner.process.wait(SECONDS)
        answered.set()
    assert ended == code


def test_sigterm_cancels_the_command_and_ends_the_context(standin, kernel):
    kernel.run("x = 1")
    kernel.begin(LONG)
    running(standin)
    kernel.signal(signal.SIGTERM)
    process = kernel.manager.provisioner.process
    assert process.wait(SECONDS) == 128 + signal.SIGTERM
    assert standin.count("/commands/cancel") == 1
    assert standin.contexts.ids == []


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ({"DATABRICKS_TOKEN": "", "DATABRICKS_CLUSTER_ID": ""}, "no cluster is named"),
        ({"DAYBOOK_DATABRICKS_COMMAND_SECONDS": "soon"}, "DAYBOOK_DATABRICKS_COMMAND_SECONDS"),
    ],
)
def test_what_is_missing_or_wrong_is_one_clear_error_in_the_cell(environment, work, taken, said):
    with started({**environment, **taken}, work) as kernel:
        ran = kernel.run("1")
        assert ran.reply["ename"] == "InvalidSettings"
        assert said in ran.reply["evalue"]
        assert ran.outputs[0]["evalue"] == ran.reply["evalue"]
        assert kernel.run("2").reply["ename"] == "InvalidSettings"


def test_the_sdk_is_loaded_by_nothing_but_the_session():
    """It takes seconds; the kernel answers meanwhile, and Daybook's other rooms never want it."""
    code = "import sys, daybook.databricks.kernel, daybook.databricks.settings, daybook.databricks.kernelspec\n"
    subprocess.run([sys.executable, "-c", code + "assert 'databricks.sdk' not in sys.modules"], check=True)


BROKEN = """import daybook.databricks.session
daybook.databricks.session.make_session = lambda *_: 1 / 0
import daybook.databricks.__main__
daybook.databricks.__main__.main()
"""


def test_a_bug_is_an_answer_too(environment, work, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", str(jupyter_folder(tmp_path / "other", argv=program_in(tmp_path, BROKEN))))
    with started(environment, work) as kernel:
        ran = kernel.run("1")
    assert ran.reply["ename"] == "ZeroDivisionError"
    assert "this is a bug in Daybook's kernel" in ran.reply["evalue"]


def test_completeness_is_judged_as_ipython_does(kernel):
    asked = kernel.client.is_complete("for x in y:")
    reply = kernel.client.get_shell_msg(timeout=SECONDS)
    while reply["parent_header"]["msg_id"] != asked:  # of a slow start there may be another answer still
        reply = kernel.client.get_shell_msg(timeout=SECONDS)
    assert reply["content"] == {"status": "incomplete", "indent": "    "}


class TestFiles:
    """The project's files, brought along before each cell."""

    @pytest.fixture
    def project(self, work):
        (work / "pyproject.toml").write_text("[project]\nname = 'x'\n")
        (work / "helper.py").write_text("def answer():\n    return 41\n")
        return work

    def test_cells_run_among_the_projects_files_as_they_are_now(self, standin, project):
        with started(standin.environment(CLUSTER), project) as kernel:
            assert kernel.run("import helper, os\nprint(helper.answer())").printed == "41"
            (project / "helper.py").write_text("def answer():\n    return 4200\n")
            again = "import importlib\nimportlib.reload(helper)\nprint(helper.answer())"
            assert kernel.run(again).printed == "4200"
            folder = Path(kernel.run("print(os.getcwd())").printed)
            assert (folder / "helper.py").exists()
        assert not folder.exists()
        assert standin.contexts.ids == []

    def test_a_failing_synchronisation_fails_the_cell_and_nothing_runs(self, standin, project):
        variables = {**standin.environment(CLUSTER), "DAYBOOK_DATABRICKS_SYNC_MAX_FILE_SIZE_MB": "0.00001"}
        with started(variables, project) as kernel:
            ran = kernel.run("print('ran')")
        assert ran.reply["ename"] == "FileSizeError"
        assert "helper.py" in ran.reply["evalue"]
        assert not any("print('ran')" in each.code for each in standin.commands.all.values())

    def test_a_new_context_gets_the_files_anew(self, standin, project):
        with started(standin.environment(CLUSTER), project) as kernel:
            kernel.run("import helper", watched=True)
            standin.contexts.lose_all()
            assert kernel.run("1", watched=True).reply["ename"] == "ContextLost"
            ran = kernel.run("import helper\nprint(helper.answer())", watched=True)
        assert ran.outputs[-1]["text"] == "41"


class TestRunners:
    """Programs that run notebooks, unchanged."""

    def test_papermill_gives_parameters_and_keeps_outputs(self, environment, work, monkeypatch):
        import papermill

        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        document = notebook("year = 2000", "print(year + 1)", "display([{'year': year}])")
        document.cells[0].metadata["tags"] = ["parameters"]
        nbformat.write(document, work / "in.ipynb")
        executed = papermill.execute_notebook(
            work / "in.ipynb", work / "out.ipynb", {"year": 2013}, cwd=work, progress_bar=False
        )
        assert executed.cells[2].outputs[0].text == "2014"
        assert "2013" in executed.cells[3].outputs[0].data["text/html"]

    def test_a_failed_middle_cell_fails_papermill(self, environment, work, monkeypatch):
        import papermill

        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        nbformat.write(notebook("x = 1", "1 / 0", "print('not reached')"), work / "in.ipynb")
        with pytest.raises(papermill.PapermillExecutionError, match="ZeroDivisionError"):
            papermill.execute_notebook(work / "in.ipynb", work / "out.ipynb", cwd=work, progress_bar=False)
        left = nbformat.read(work / "out.ipynb", 4)
        assert left.cells[-1].outputs == []

    @pytest.mark.parametrize(("cells", "code"), [(["x = 1", "print(x)"], 0), (["1 / 0", "print(2)"], 1)])
    def test_jupyter_execute_ends_as_the_notebook_does(self, environment, work, monkeypatch, cells, code):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        nbformat.write(notebook(*cells), work / "in.ipynb")
        program = Path(sys.executable).with_name("jupyter-execute")
        ended = subprocess.run(
            [program, "--inplace", "in.ipynb"], cwd=work, capture_output=True, text=True, check=False
        )
        assert ended.returncode == code, ended.stderr
        if code == 0:
            assert nbformat.read(work / "in.ipynb", 4).cells[1].outputs[0].text == "1"

    def test_a_time_limit_of_nbclient_cancels_the_command(self, standin, environment, work, monkeypatch):
        from nbclient import NotebookClient
        from nbclient.exceptions import CellTimeoutError

        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        document = notebook("x = 1", LONG)
        client = NotebookClient(
            document,
            timeout=None,
            resources={"metadata": {"path": str(work)}},
            config=Config({"KernelManager": {"shutdown_wait_time": 4 * SECONDS}}),
        )
        client.timeout_func = lambda cell: 10 if cell.source == LONG else None
        with pytest.raises(CellTimeoutError):
            client.execute()
        assert standin.count("/commands/cancel") >= 1
        assert standin.contexts.ids == []
