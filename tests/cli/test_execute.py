"""`daybook execute` and how it comes to the notebooks' own environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builders import a_notebook_json
from daybook.cli.commands.execute import _limits
from daybook.cli.executing import notebook_environment

CHECKOUT = Path(__file__).parents[2]
TELL = '#!/bin/sh\nprintf "%s|" "$@"\necho "$DAYBOOK_REQUEST|$VIRTUAL_ENV|$PATH"\nexit 143\n'


def daybook(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], "HOME": str(cwd), **environment}
    command = [sys.executable, "-c", "from daybook.cli.main import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, env=given, text=True, capture_output=True, timeout=120, check=False)


@pytest.fixture
def other(tmp_path):
    """An environment whose `daybook` tells what it was called with."""
    program = tmp_path / "other" / "bin" / "daybook"
    program.parent.mkdir(parents=True)
    program.write_text(TELL)
    program.chmod(0o755)
    return tmp_path / "other"


@pytest.mark.parametrize("arguments", [("execute", "x.ipynb", "-o", "out", "-p", "a=b c"), ("execute",)])
def test_airflows_environment_hands_over_with_everything(other, tmp_path, arguments):
    done = daybook(*arguments, cwd=tmp_path, DAYBOOK_NOTEBOOK_ENV=str(other), DAYBOOK_REQUEST="{}")
    assert done.returncode == 143
    *said, request, environment, path = done.stdout.strip().split("|")
    assert said == list(arguments)
    assert request == "{}"
    assert environment == str(other)
    assert path.split(":")[0] == str(other / "bin")


def test_its_help_needs_no_other_environment(tmp_path):
    done = daybook("execute", "--help", cwd=tmp_path, DAYBOOK_NOTEBOOK_ENV="/nowhere")
    assert done.returncode == 0
    assert "--output" in done.stdout


@pytest.mark.parametrize("arguments", [("execute", "x.ipynb", "-o", "out"), ("execute",)])
def test_without_that_environment_it_says_what_to_do(tmp_path, arguments):
    done = daybook(*arguments, cwd=tmp_path, DAYBOOK_NOTEBOOK_ENV=str(tmp_path / "none"), DAYBOOK_REQUEST="{}")
    assert done.returncode == 2
    assert "make setup" in done.stderr
    assert str(tmp_path / "none") in done.stderr
    assert "Traceback" not in done.stderr


def test_airflows_own_environment_is_never_taken_for_the_notebooks(tmp_path):
    done = daybook("execute", "x.ipynb", "-o", "out", cwd=tmp_path, DAYBOOK_NOTEBOOK_ENV=sys.prefix)
    assert done.returncode == 2
    assert "holds Airflow" in done.stderr


def test_the_way_of_a_pod_loads_no_command_line(tmp_path):
    code = (
        "import sys\nfrom daybook.cli.main import run\n"
        "assert run(['execute'], {'DAYBOOK_REQUEST': '{}', 'DAYBOOK_NOTEBOOK_ENV': '/nowhere'}) == 2\n"
        "assert not {'typer', 'rich', 'pydantic', 'httpx'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60, stderr=subprocess.DEVNULL)


def test_the_notebooks_environment_is_looked_for_in_order(tmp_path):
    for name in ("home", "beside", "project"):
        (tmp_path / name / ".venv-notebook").mkdir(parents=True)
    inside = tmp_path / "project" / "a" / "b"
    inside.mkdir(parents=True)
    prefix = tmp_path / "beside" / ".venv"
    home = {"DAYBOOK_HOME": str(tmp_path / "home")}
    assert notebook_environment({"DAYBOOK_NOTEBOOK_ENV": "/x", **home}, inside, prefix) == Path("/x")
    assert notebook_environment(home, inside, prefix) == tmp_path / "home" / ".venv-notebook"
    assert notebook_environment({}, inside, prefix) == tmp_path / "beside" / ".venv-notebook"
    assert notebook_environment({}, inside, tmp_path / ".venv") == tmp_path / "project" / ".venv-notebook"
    assert notebook_environment({}, tmp_path, tmp_path / "x" / ".venv") is None


def test_a_notebook_is_executed_in_its_own_environment_and_told_as_json(tmp_path):
    cells = ["import importlib.util", "print('airflow here:', importlib.util.find_spec('airflow') is not None, times)"]
    (tmp_path / "n.ipynb").write_text(a_notebook_json(cells, parameters="times: int = 1"))
    environment = {"DAYBOOK_NOTEBOOK_ENV": str(CHECKOUT / ".venv-notebook")}
    done = daybook("execute", "n.ipynb", "-o", "out", "-p", "times=3", "--json", cwd=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["state"], found["exit_code"]) == ("succeeded", 0)
    assert found["manifest"]["parameters"] == {"times": 3}
    assert "airflow here: False 3" in (tmp_path / "out" / "notebook.ipynb").read_text()
    assert "airflow here: False 3" in done.stderr
    refused = daybook("execute", "n.ipynb", "-o", "out", "-p", "times=x", "-p", "a=1", cwd=tmp_path, **environment)
    assert refused.returncode == 2
    assert "times" in refused.stderr
    assert "a: is not an input" in refused.stderr


@pytest.mark.parametrize(
    ("timeout", "cell_timeout", "expected"),
    [
        (None, None, None),
        (5.0, None, {"timeout_seconds": 5.0}),
        (None, 5.0, {"cell_timeout_seconds": 5.0}),
        (5.0, 1.0, {"timeout_seconds": 5.0, "cell_timeout_seconds": 1.0}),
    ],
)
def test_only_the_limits_that_are_given_are_handed_on(timeout, cell_timeout, expected):
    limits = _limits(timeout, cell_timeout)
    assert (limits and limits.model_dump(exclude_unset=True)) == expected
