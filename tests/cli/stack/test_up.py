"""What `up` refuses before it starts anything. That it starts everything is a matter for tests/e2e."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import time

import psutil
import pytest

from cli.serving import free_ports
from daybook.cli.app import run_app
from daybook.cli.stack import state
from daybook.cli.stack.components import API_SERVER
from daybook.cli.stack.launch import Watch
from daybook.cli.stack.ports import Ports
from daybook.cli.stack.processes import STACK_VARIABLE, ProcessRecord, marked, write_record
from daybook.cli.stack.up import up
from daybook.contract.errors import InvalidSettings

ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ}
SILENT = Watch(lambda _: None, lambda *_: None)


@pytest.fixture
def given():
    return dict(zip(("api", "pods", "spark", "spark_ui"), free_ports(4), strict=True))


def nothing_started(project):
    return marked(project.state) == [] and list(project.records.iterdir()) == []


def test_taken_ports_are_all_named_before_anything_starts(project, given):
    with socket.socket() as one, socket.socket() as two:
        for name, server in (("api", one), ("spark_ui", two)):
            server.bind(("127.0.0.1", 0))
            server.listen()
            given[name] = server.getsockname()[1]
        with pytest.raises(InvalidSettings) as caught:
            up(project, given, ENVIRONMENT, SILENT)
    assert {fault.where for fault in caught.value.faults} == {f"port {given['api']}", f"port {given['spark_ui']}"}
    assert f"process {os.getpid()}" in str(caught.value)
    assert nothing_started(project)


def test_a_missing_environment_says_make_setup(project, given):
    (project.root / ".venv-notebook").unlink()
    with pytest.raises(InvalidSettings, match=r"\.venv-notebook: .*make setup"):
        up(project, given, ENVIRONMENT, SILENT)
    assert nothing_started(project)


def test_an_unusable_java_is_named_with_the_way_out(project, given, tmp_path):
    bad = tmp_path / "java" / "bin"
    bad.mkdir(parents=True)
    (bad / "java").write_text("#!/bin/sh\necho 'openjdk version \"1.8.0\"' >&2\n")
    (bad / "java").chmod(0o755)
    with pytest.raises(InvalidSettings) as caught:
        up(project, given, {"PATH": str(bad), "JAVA_HOME": str(bad.parent)}, SILENT)
    assert "Java 17" in str(caught.value)
    assert str(bad) in str(caught.value)
    assert nothing_started(project)


def test_a_file_that_cannot_be_written_is_one_clear_error(project, given):
    (project.state / "images.json").mkdir()
    with pytest.raises(InvalidSettings, match=r"cannot keep the stack's state: .*images\.json"):
        up(project, given, ENVIRONMENT, SILENT)
    assert nothing_started(project)


def test_other_ports_than_those_of_the_running_stack_are_refused(project, given):
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        state.remember(project, Ports(**given))
        created = psutil.Process(process.pid).create_time()
        record = ProcessRecord(
            component=API_SERVER, pid=process.pid, created=created, started_at="x", command=("x",), log="x"
        )
        write_record(project.records, record)
        with pytest.raises(InvalidSettings, match="daybook down"):
            up(project, {"api": free_ports(1)[0]}, ENVIRONMENT, SILENT)
    finally:
        process.kill()
        process.wait()


def test_what_a_killed_component_left_behind_is_ended_first(project, given):
    left = subprocess.Popen(["sleep", "60"], env={STACK_VARIABLE: str(project.state)}, start_new_session=True)
    try:
        (project.state / "images.json").mkdir()  # so that nothing is started after it
        with pytest.raises(InvalidSettings):
            up(project, given, ENVIRONMENT, SILENT)
        assert left.poll() is not None or left.wait(5)
    finally:
        left.kill()
        left.wait()


def test_nobody_else_can_read_what_up_writes(project, given):
    (project.root / ".venv-notebook").unlink()
    with pytest.raises(InvalidSettings):
        up(project, given, ENVIRONMENT, SILENT)
    assert stat.S_IMODE(project.state.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in project.state.rglob("*"))


def test_the_command_maps_it_to_exit_code_2(project, given, monkeypatch, capsys):
    (project.root / ".venv-notebook").unlink()
    monkeypatch.chdir(project.root)
    began = time.monotonic()
    assert run_app(["up", "--port", str(given["api"])]) == 2
    assert "make setup" in capsys.readouterr().err
    assert time.monotonic() - began < 30
