"""Ending the stack: with a real localpods and a real pod, since that is where something could be left or lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from cli.serving import free_ports
from daybook.cli.stack import kubeconfig, local_workspace, state
from daybook.cli.stack.components import LOCALPODS, SCHEDULER, SPARK, components
from daybook.cli.stack.down import down
from daybook.cli.stack.files import minted
from daybook.cli.stack.pod_processes import pod_processes
from daybook.cli.stack.ports import Ports
from daybook.cli.stack.processes import STACK_VARIABLE, ProcessRecord, marked, process_of, read_record, write_record
from daybook.cli.stack.readiness import Readiness, asked
from daybook.cli.stack.status import ComponentState, status

ENVIRONMENT = {"PATH": os.environ["PATH"]}
SEAL = 'trap \'echo sealed > "$0"; exit 143\' TERM; echo started > "$0.started"; while :; do sleep 0.1; done'


SCHEDULER_WITH_A_RUN = """
import os, subprocess, sys, time
run = {**os.environ, "DAYBOOK_ATTEMPT": "run.1"}
subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], env=run, start_new_session=True)
time.sleep(600)
"""
RUNNER = """
import signal, subprocess, sys, time
def asked(*_):
    note.write("kernel ended" if kernel.poll() is not None else "sealed")
    note.close()
    kernel.kill()
    kernel.wait()
    sys.exit(143)
kernel = subprocess.Popen(["sleep", "600"], start_new_session=True)
note = open(sys.argv[1] + "/note", "w")
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), asked()))
open(sys.argv[1] + "/started", "w").close()
time.sleep(600)
"""
"""It sees after a while how its kernel is, as one that is busy does."""


@pytest.fixture
def ports(project):
    api, pods, spark, ui = free_ports(4)
    found = Ports(api, pods, spark, ui)
    state.remember(project, found)
    kubeconfig.write_images(project)
    kubeconfig.write_kubeconfig(project, found)
    local_workspace.write_workspaces(project, found)
    return found


@pytest.fixture
def started(project, ports):
    """Starts localpods as `up` does; what is left at the end is killed."""
    running: list[subprocess.Popen[bytes]] = []

    def make() -> ProcessRecord:
        with httpx.Client() as client:
            parts = components(project, ports, ENVIRONMENT, Readiness("", lambda: ("", ""), client))
            part = next(each for each in parts if each.name == LOCALPODS)
            popen, record = part.start(project)
            running.append(popen)
            until(lambda: asked(part.ready, record) is None)
        return record

    yield make
    for process in [*marked(project.state), *pod_processes(project)]:
        process.kill()
    for popen in running:
        popen.wait()


def until(look, seconds=60.0):
    limit = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return found


def make_pod(project, ports, note):
    """A pod that notes when it is asked to end, as the runner seals its record."""
    container = {"name": "main", "image": "daybook/notebook", "command": ["/bin/sh", "-c", SEAL, str(note)]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "sleeper"}, "spec": {"containers": [container]}}
    answer = httpx.post(
        f"{kubeconfig.pods_url(ports)}/api/v1/namespaces/default/pods",
        json=pod,
        headers={"Authorization": f"Bearer {minted(project.pods_token)}"},
        trust_env=False,
    )
    assert answer.status_code == 201, answer.text
    until(note.with_name(note.name + ".started").exists)


def test_a_running_pod_gets_its_grace_and_nothing_is_left(project, ports, started, tmp_path):
    started()
    make_pod(project, ports, tmp_path / "note")
    said = []
    outcome = down(project, ENVIRONMENT, said.append)
    assert (tmp_path / "note").read_text() == "sealed\n"
    assert outcome.ended == (LOCALPODS,)
    assert outcome.interrupted_pods == 1
    assert any("default/sleeper" in line for line in said)
    assert marked(project.state) == []
    assert pod_processes(project) == []
    assert state.alive(project) == {}


def test_pods_of_a_localpods_that_crashed_get_their_grace_too(project, ports, started, tmp_path):
    record = started()
    make_pod(project, ports, tmp_path / "note")
    os.kill(record.pid, signal.SIGKILL)
    until(lambda: process_of(record, project.state) is None)
    outcome = down(project, ENVIRONMENT, lambda _: None)
    assert (tmp_path / "note").read_text() == "sealed\n"
    assert outcome.interrupted_pods == 1
    assert pod_processes(project) == []
    assert marked(project.state) == []


def test_pods_are_ended_even_when_localpods_cannot_be_had(project, ports, started, tmp_path):
    record = started()
    make_pod(project, ports, tmp_path / "note")
    os.kill(record.pid, signal.SIGKILL)
    until(lambda: process_of(record, project.state) is None)
    project.images.write_text("no JSON")
    said = []
    down(project, ENVIRONMENT, said.append)
    assert any("cannot be ended in order" in line for line in said)
    assert pod_processes(project) == []


def test_a_run_in_the_worker_seals_before_its_kernel_ends_and_nothing_is_left(project, ports, tmp_path):
    scheduler = subprocess.Popen(
        [sys.executable, "-c", SCHEDULER_WITH_A_RUN, RUNNER, str(tmp_path)],
        env={**ENVIRONMENT, STACK_VARIABLE: str(project.state)},
        start_new_session=True,
    )
    try:
        created = psutil.Process(scheduler.pid).create_time()
        record = ProcessRecord(
            component=SCHEDULER, pid=scheduler.pid, created=created, started_at="x", command=("x",), log="x"
        )
        write_record(project.records, record)
        until((tmp_path / "started").exists)
        assert down(project, ENVIRONMENT, pytest.fail).ended == (SCHEDULER,)
        assert (tmp_path / "note").read_text() == "sealed"
        assert marked(project.state) == []
    finally:
        for process in marked(project.state):
            process.kill()
        scheduler.wait()


def test_down_twice_and_never_up_are_fine(project, tmp_path):
    assert down(project, ENVIRONMENT, pytest.fail).ended == ()
    assert down(type(project)(tmp_path), ENVIRONMENT, pytest.fail).ended == ()
    assert not (tmp_path / ".daybook").exists()


def test_a_pid_of_before_the_reboot_is_not_killed(project, ports):
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        record = ProcessRecord(
            component=SCHEDULER, pid=stranger.pid, created=1.0, started_at="x", command=("x",), log="x"
        )
        write_record(project.records, record)
        assert down(project, ENVIRONMENT, pytest.fail).ended == ()
        assert psutil.pid_exists(stranger.pid)
        assert stranger.poll() is None
        assert read_record(project.records, SCHEDULER) is None
    finally:
        stranger.kill()
        stranger.wait()


def test_status_tells_what_works_what_crashed_and_what_is_down(project, ports, started):
    record = started()
    write_record(project.records, record.model_copy(update={"component": SPARK, "pid": 2**22 + 1}))
    found = {part.name: part for part in status(project, ENVIRONMENT).components}
    assert found[LOCALPODS].state is ComponentState.UP
    assert found[LOCALPODS].pid == record.pid
    assert found[LOCALPODS].memory > 10_000_000
    assert found[LOCALPODS].url == kubeconfig.pods_url(ports)
    assert found[SPARK].state is ComponentState.CRASHED
    assert found[SCHEDULER].state is ComponentState.DOWN
    assert not status(project, ENVIRONMENT).up


def test_status_tells_of_a_component_that_is_there_and_does_not_work(project, ports, started):
    started()
    project.pods_token.write_text("another token\n")
    found = status(project, ENVIRONMENT).components[0]
    assert found.state is ComponentState.NOT_READY
    assert "localpods" in found.detail


def test_stack_json_that_a_crash_cut_short_counts_as_none(project):
    project.stack_file.write_text('{"ports": ')
    assert state.remembered(project) == {}
    project.stack_file.write_text(json.dumps([1]))
    assert state.remembered(project) == {}
