"""`daybook databricks` in Airflow's environment: it goes to the notebooks' own, where `tests/databricks` look at it."""

import os
import subprocess
import sys

import pytest


def daybook(*arguments, cwd, **environment):
    given = {"PATH": os.environ["PATH"], "HOME": str(cwd), **environment}
    command = [sys.executable, "-c", "from daybook.cli.main import main; main()", "databricks", *arguments]
    return subprocess.run(command, cwd=cwd, env=given, text=True, capture_output=True, timeout=120, check=False)


@pytest.mark.parametrize("arguments", [("check", "--json"), ("install", "--user")])
def test_it_hands_over_to_the_notebooks_environment(tmp_path, arguments):
    program = tmp_path / "other" / "bin" / "daybook"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@"\nexit 9\n')
    program.chmod(0o755)
    done = daybook(*arguments, cwd=tmp_path, DAYBOOK_NOTEBOOK_ENV=str(tmp_path / "other"))
    assert (done.returncode, done.stdout) == (9, " ".join(["databricks", *arguments]) + "\n")


@pytest.mark.parametrize("command", ["check", "install"])
def test_each_has_help_with_an_example_and_json(tmp_path, command):
    done = daybook(command, "--help", cwd=tmp_path, DAYBOOK_NOTEBOOK_ENV="/nowhere")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert "--json" in done.stdout


def test_without_that_environment_it_says_what_to_do(tmp_path):
    done = daybook("check", cwd=tmp_path, DAYBOOK_NOTEBOOK_ENV=str(tmp_path / "none"))
    assert done.returncode == 2
    assert "make setup" in done.stderr
