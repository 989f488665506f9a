"""A kernel with a head start is the kernel it would have been without."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from daybook.contract.errors import ExitCode
from daybook.contract.request import NotebookSource
from daybook.runner import head_start as module
from daybook.runner.head_start import HeadStart, wants_one, wants_spark

ABOUT_ITSELF = """
import json, os, sys
print(json.dumps({
    "folder": os.getcwd(), "path": sys.path, "flags": list(sys.flags), "main": sorted(vars(sys.modules["__main__"])),
    "input": os.readlink("/proc/self/fd/0"), "variables": dict(os.environ), "leads": os.getpid() == os.getsid(0),
}))
"""
CHANGES_FROM_RUN_TO_RUN = ("DAYBOOK_", "JPY_")


def told(run, head_start=None, **request):
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    ended = run(ABOUT_ITSELF, environment=environment, head_start=head_start, **request)
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    found = json.loads(ended.printed(0))
    found["variables"] = {
        name: value for name, value in found["variables"].items() if not name.startswith(CHANGES_FROM_RUN_TO_RUN)
    }
    found["folder"] = Path(found["folder"]).name
    return found


@pytest.fixture
def head_start():
    with HeadStart({**os.environ, "DAYBOOK_REQUEST": "not the kernel's business"}) as made:
        yield made


def process_of(head_start):
    return psutil.Process(head_start._process.pid)


def wait_until_gone(pid):
    deadline = time.monotonic() + 30
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "it is there for ever"
            time.sleep(0.05)


def test_it_is_the_same_kernel_in_every_respect(run, head_start):
    early = process_of(head_start).pid
    with_it = told(run, head_start)
    without = told(run)
    assert with_it == without
    assert not psutil.pid_exists(early)


def test_it_does_become_the_kernel(run, head_start):
    early = process_of(head_start).pid
    ended = run("import os; print(os.getpid())", head_start=head_start)
    assert int(ended.printed(0)) == early


def test_where_another_kernel_is_wanted_it_ends_unused(run, head_start):
    early = process_of(head_start)
    asked = {"notebook": NotebookSource(id="x", source=str(run.root / "given1.ipynb"), kernel="nowhere")}
    assert run("1", head_start=head_start, **asked).exit_code is ExitCode.INVALID_REQUEST
    head_start.close()
    assert not early.is_running()


def test_one_that_has_ended_is_replaced(run, head_start):
    early = process_of(head_start)
    early.kill()
    early.wait(10)
    assert run("print('here')", head_start=head_start).printed(0) == "here\n"


def test_when_the_runner_is_gone_it_ends_by_itself():
    code = "import os; from daybook.runner.head_start import HeadStart; "
    code += "print(HeadStart(os.environ)._process.pid, flush=True); os._exit(9)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout
    wait_until_gone(int(said))


def test_what_a_notebook_starts_and_hides_is_found_all_the_same(run, head_start):
    hide = """
import os
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(write, str(os.getpid()).encode())
        import time; time.sleep(300)
    os._exit(0)
os.wait()
print(os.read(read, 20).decode())
"""
    ended = run(hide, head_start=head_start)
    wait_until_gone(int(ended.printed(0)))


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [(["execute", "a.ipynb", "-o", "x"], True), (["execute", "--help"], False), (["execute"], False), (["up"], False)],
)
def test_only_command_lines_that_execute_a_notebook_get_one(arguments, wanted):
    assert wants_one(arguments, {}) is wanted
    assert wants_one(["execute"], {"DAYBOOK_REQUEST": "{}"})


def test_it_loads_next_to_nothing_itself():
    heavy = "{'pydantic', 'nbclient', 'zmq', 'typer', 'obstore', 'asyncio'} & sys.modules.keys()"
    code = f"import sys; import {module.__name__}; print({heavy})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


LOADED = "import sys; print(sorted({'pandas', 'grpc', 'daybook.spark.connect'} & sys.modules.keys()))"


def of_spark(tmp_path, source, **variables):
    """The variables of a run with a Spark server, whose notebook is that text."""
    path = tmp_path / "peeked.ipynb"
    path.write_text(source)
    request = json.dumps({"notebook": {"source": path.as_uri()}})
    return {**os.environ, "SPARK_REMOTE": "sc://127.0.0.1:1", "DAYBOOK_REQUEST": request, **variables}


def loaded_ahead(environment):
    """A head start that has loaded whatever it loads, and waits to be told what to become."""
    started = HeadStart(environment)
    waits = Path(f"/proc/{process_of(started).pid}/syscall")
    deadline = time.monotonic() + 60
    while waits.read_text().split()[1:2] != ["0x0"]:  # it reads its standard input
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return started


@pytest.mark.parametrize(
    ("source", "remote", "wanted"),
    [
        ("from daybook.notebook import get_spark_session", "sc://127.0.0.1:1", True),
        ("from pyspark.sql import SparkSession", "sc://127.0.0.1:1", True),
        ("print(1)", "sc://127.0.0.1:1", False),
        ("get_spark_session()", "", False),
    ],
)
def test_sparks_client_is_loaded_ahead_only_where_a_server_is_given_and_the_notebook_speaks_of_spark(
    tmp_path, source, remote, wanted
):
    assert wants_spark(of_spark(tmp_path, source, SPARK_REMOTE=remote)) is wanted


def test_a_notebook_that_lies_elsewhere_may_want_spark():
    request = json.dumps({"notebook": {"source": "s3://bucket/a.ipynb"}})
    assert wants_spark({"SPARK_REMOTE": "sc://127.0.0.1:1", "DAYBOOK_REQUEST": request})
    assert wants_spark({"SPARK_REMOTE": "sc://127.0.0.1:1"})


def test_a_kernel_that_had_time_has_sparks_client_and_one_without_spark_has_not(run, tmp_path):
    environment = of_spark(tmp_path, "spark")
    with loaded_ahead(environment) as started:
        ended = run(LOADED, environment=environment, head_start=started)
        assert ended.printed(0) == "['daybook.spark.connect', 'grpc', 'pandas']\n"
    with loaded_ahead(of_spark(tmp_path, "nothing of it")) as started:
        assert run(LOADED, environment=environment, head_start=started).printed(0) == "[]\n"


def test_a_library_that_is_not_there_is_left_to_whoever_wants_it(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SPARKS_LIBRARIES", ("no_such_library", "pandas"))
    environment = of_spark(tmp_path, "spark")
    with loaded_ahead(environment) as started:
        assert run(LOADED, environment=environment, head_start=started).printed(0) == "[]\n"
