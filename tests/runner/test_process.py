"""The runner as a pod starts it: a process of its own, its request in the environment, signals, exit codes."""

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from builders import a_manifest
from daybook.contract.manifest import Files, Reason, State, Timings
from daybook.contract.request import Limits, NotebookSource
from daybook.storage import RunRecord, open_store
from runner.pods import wait_until
from runner.runs import notebook_of


def cell_runs(left, index):
    def look():
        path = left.folder / "manifest.json"
        return path.exists() and json.loads(path.read_text())["cells"]["current"] == index

    return look


KERNEL_AND_SLEEP = """
from daybook.notebook import outputs
import os, pathlib, time
outputs("kernel").write_text(str(os.getpid()))
print("before", flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_and_everything_is_recorded(pod, number):
    process, left = pod("1", KERNEL_AND_SLEEP, "3")
    wait_until(cell_runs(left, 1), process)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    manifest = left.manifest
    assert process.returncode == 143
    assert (manifest.state, manifest.reason, manifest.exit_code) == (State.INTERRUPTED, Reason.TERMINATED, 143)
    assert manifest.sealed
    assert number.name in manifest.message
    assert "while cell 2/3 was running" in manifest.message
    assert left.states == ["succeeded", "interrupted", "not_run"]
    assert "before" in left.printed(1)
    assert [each.path for each in manifest.outputs] == ["kernel"]
    assert said.splitlines()[-1].startswith("interrupted (terminated): ")
    assert list(left.scratch.iterdir()) == []
    assert not psutil.pid_exists(int((left.folder / "outputs" / "kernel").read_text()))


TAKES_ITS_BUCKET_AWAY = """
import pathlib
bucket = pathlib.Path(BUCKET)
bucket.rename(f"{bucket}-away")
bucket.write_text("no folder")
"""


@pytest.mark.parametrize("told_to_end", [False, True])
def test_a_pod_stays_until_the_bucket_is_back(pod, told_to_end):
    bucket = pod.root / "pod0" / "bucket"
    process, left = pod(TAKES_ITS_BUCKET_AWAY.replace("BUCKET", repr(str(bucket))))
    said = line_with(process, "trying again for up to 3600 s: ")
    if told_to_end:
        process.send_signal(signal.SIGTERM)
        said += line_with(process, "trying again for up to 35 s: ")
    bucket.unlink()
    bucket.with_name("bucket-away").rename(bucket)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said + rest
    assert left.manifest.succeeded
    assert list(left.scratch.iterdir()) == []


def line_with(process, text):
    """What a process says up to a line that holds a text."""
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(said)


def test_a_signal_before_the_first_cell_is_recorded_too(pod):
    process, left = pod("1")
    wait_until(lambda: (left.folder / "manifest.json").exists(), process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert left.manifest.state is State.INTERRUPTED
    assert left.manifest.sealed


def test_after_the_runner_is_killed_the_last_copy_is_in_the_bucket_and_no_kernel_is_left(pod):
    process, left = pod("1", KERNEL_AND_SLEEP, "3")
    copy = left.folder / "notebook.ipynb"
    wait_until(
        lambda: copy.exists() and "before" in json.dumps(json.loads(copy.read_text())["cells"][1]["outputs"]), process
    )
    [work] = left.scratch.iterdir()
    kernel = int((work / "work" / "outputs" / "kernel").read_text())
    process.kill()
    process.communicate()
    assert left.manifest.state is State.RUNNING
    assert not left.manifest.sealed
    assert left.states == ["succeeded", "running", "not_run"]
    # The kernel looks once a second whether its parent is there.
    if psutil.pid_exists(kernel):
        psutil.Process(kernel).wait(20)


@pytest.mark.parametrize(
    ("request_text", "message"),
    [
        (None, "the variable DAYBOOK_REQUEST holds no request"),
        ("{", "DAYBOOK_REQUEST holds no request that this runner reads"),
        ('{"version": 2, "run_id": 1, "surplus": 1}', "\n  - surplus: "),
    ],
)
def test_a_request_that_is_none_is_refused_in_words(request_text, message):
    environment = {name: value for name, value in os.environ.items() if name != "DAYBOOK_REQUEST"}
    given = {} if request_text is None else {"DAYBOOK_REQUEST": request_text}
    ended = subprocess.run(
        [sys.executable, "-m", "daybook.runner"],
        env={**environment, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert message in ended.stdout
    assert ended.stderr == ""


def test_starting_up_loads_nothing_of_the_command_line_or_the_catalogue():
    code = "import sys, daybook.runner.main; print({'typer', 'rich', 'papermill', 'nbclient', 'pandas', 'airflow', "
    code += "'nbconvert', 'yaml', 'daybook.catalogue'} & sys.modules.keys())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


def test_a_killed_run_still_names_what_is_there_and_when_it_was_queued(pod, tmp_path):
    store = open_store((tmp_path / "pod0" / "bucket").as_uri())
    store.write("source.ipynb", json.dumps(notebook_of("import time; print('so far'); time.sleep(99)")).encode())
    queued = a_manifest(
        state=State.QUEUED,
        sealed=False,
        sealed_by=None,
        exit_code=None,
        timings=Timings(queued_at="2026-11-23T00:00:00+00:00"),
        files=Files(source="source.ipynb"),
    )
    RunRecord(store).write(queued)
    process, run = pod(notebook=NotebookSource(id="example", source=store.url_of("source.ipynb")))
    try:
        wait_until(lambda: run.manifest.files.notebook is not None, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    assert run.manifest.state is State.RUNNING
    assert run.manifest.timings.queued_at == "2026-11-23T00:00:00+00:00"
    assert run.manifest.files == Files(source="source.ipynb", notebook="notebook.ipynb")
    assert run.notebook["cells"]


def test_a_closed_terminal_ends_the_run_as_any_other_signal_does(pod):
    process, left = pod("1", KERNEL_AND_SLEEP, "3")
    wait_until(cell_runs(left, 1), process)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert (left.manifest.state, left.manifest.sealed) == (State.INTERRUPTED, True)
    assert "SIGHUP" in left.manifest.message


def test_the_limit_of_the_run_counts_while_the_kernel_starts(pod, tmp_path):
    kernels = tmp_path / "jupyter" / "kernels" / "sleepy"
    kernels.mkdir(parents=True)
    argv = ["/bin/sh", "-c", "sleep 600", "{connection_file}"]
    (kernels / "kernel.json").write_text(json.dumps({"argv": argv, "language": "python", "display_name": "Sleepy"}))
    source = NotebookSource(id="example", source=str(tmp_path / "pod0" / "given.ipynb"), kernel="sleepy")
    variables = {"JUPYTER_PATH": str(tmp_path / "jupyter")}
    process, left = pod("1", variables=variables, notebook=source, limits=Limits(timeout_seconds=3))
    process.communicate(timeout=200)
    manifest = left.manifest
    assert (manifest.state, manifest.reason) == (State.FAILED, Reason.RUN_TIMEOUT)
    assert "the kernel was starting" in manifest.message
    assert (manifest.cells.total, manifest.cells.not_run) == (1, 1)
