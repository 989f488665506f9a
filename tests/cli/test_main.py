"""The command line from outside: a process, its exit code, its two streams."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daybook.cli import main as entry
from daybook.cli.commands import catalogue

HEAVY = ("airflow", "httpx", "pydantic", "obstore", "psutil", "yaml", "papermill", "nbformat", "jsonschema")


def daybook(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], "COLUMNS": "200", **environment}
    command = [sys.executable, "-W", "error", "-c", "from daybook.cli.main import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, env=given, text=True, capture_output=True, timeout=60, check=False)


def test_help_loads_nothing_heavy(tmp_path):
    code = (
        "import sys\nfrom daybook.cli.main import run\nassert run(['--help'], {}) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, cwd=tmp_path, check=True)
    assert done.stderr.strip() == "[]"
    assert "Exit codes" in done.stdout


COMMANDS = ["up", "down", "status", "run", "execute", "runs", "show", "cancel", "notebooks", "validate"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_json(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert entry.run([command, "--help"], {}) == 0
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"daybook {command}" in text
    assert "--json" in text


def test_a_mistyped_command_is_one_line_with_a_suggestion(tmp_path):
    done = daybook("staus", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: No such command 'staus'. Did you mean 'status'?",
        "Try 'daybook --help'.",
    ]


def test_no_command_shows_the_help(tmp_path):
    done = daybook(cwd=tmp_path)
    assert "Usage: daybook" in done.stdout
    assert "error" not in done.stderr


def test_outside_a_project_every_command_says_so_once(tmp_path):
    for command in ("status", "notebooks", "runs"):
        done = daybook(command, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("not inside a Daybook project") == 1
        assert "Traceback" not in done.stderr


def test_errors_are_json_too(tmp_path):
    done = daybook("notebooks", "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == ""
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "InvalidSettings"
    assert error["exit_code"] == 2
    assert error["faults"][0]["where"] == str(tmp_path)


def test_a_mistyped_option_is_json_too(tmp_path):
    done = daybook("up", "--prt", "1", "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["type"] == "Usage"


def test_a_bug_says_that_it_is_one_and_where_the_details_are(tmp_path, monkeypatch, capsys):
    def broken(_):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(catalogue, "_document", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "dags").mkdir()
    (tmp_path / "pyproject.toml").touch()
    assert entry.run(["notebooks", "--json", "--project", str(tmp_path)], {}) == 3
    said = json.loads(capsys.readouterr().out)["error"]["message"]
    assert "this is a bug in Daybook (RuntimeError: no such luck)" in said
    assert "Traceback" not in said
    (details,) = tmp_path.glob("daybook-bug-*.txt")
    assert str(details) in said
    assert "Traceback" in details.read_text()


def test_a_full_disk_is_no_bug(tmp_path, monkeypatch, capsys):
    def full(_):
        with open("/dev/full", "w") as file:  # noqa: PTH123 - any file would do
            file.write("x")

    monkeypatch.setattr(catalogue, "_document", full)
    (tmp_path / "dags").mkdir()
    (tmp_path / "pyproject.toml").touch()
    assert entry.run(["notebooks", "--json", "--project", str(tmp_path)], {}) == 3
    assert "No space left on device; make room" in capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    (tmp_path / "dags").mkdir()
    (tmp_path / "pyproject.toml").touch()
    command = [sys.executable, "-c", "from daybook.cli.main import main; main()", "notebooks", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_version_is_told(tmp_path):
    assert daybook("--version", cwd=tmp_path).stdout.startswith("daybook 0.")


def test_completion_can_be_installed(tmp_path):
    done = daybook("--show-completion", "bash", cwd=tmp_path, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_DAYBOOK_COMPLETE" in done.stdout
