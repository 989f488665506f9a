import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from daybook.cli.stack.processes import (
    STACK_VARIABLE,
    ProcessRecord,
    delete_record,
    end,
    family,
    kept_log,
    marked,
    memory_bytes,
    process_of,
    read_record,
    start,
    write_record,
)

SLEEP = "import time; print('here', flush=True); time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
)
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
away = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print("here", child.pid, away.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def run(project):
    started = []

    def make(code: str, *, mark: bool = True) -> subprocess.Popen[bytes]:
        environment = {STACK_VARIABLE: str(project.state)} if mark else {}
        log = project.logs / f"{len(started)}.log"
        process = start([sys.executable, "-c", code], environment, log, project.state)
        started.append(process)
        until(lambda: "here" in log.read_text())
        return process

    yield make
    for process in started:
        for each in [*psutil.Process(process.pid).children(recursive=True), process] if process.poll() is None else []:
            each.kill()
        process.wait()


def until(look, seconds=60.0):
    limit = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < limit
        time.sleep(0.01)
    return found


def record(process, **changes):
    given = {
        "component": "part",
        "pid": process.pid,
        "created": psutil.Process(process.pid).create_time(),
        "started_at": "2026-11-23T01:02:03+00:00",
        "command": ("x",),
        "log": "x.log",
    }
    return ProcessRecord(**{**given, **changes})


def test_a_component_leads_a_session_of_its_own_and_writes_to_its_private_log(project, run):
    process = run(SLEEP)
    assert os.getsid(process.pid) == process.pid
    assert (project.logs / "0.log").stat().st_mode & 0o777 == 0o600


def test_the_log_of_the_last_start_is_kept(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("first")
    kept_log(log)
    kept_log(log)  # there is none now, which is fine
    assert (tmp_path / "x.log.1").read_text() == "first"
    assert not log.exists()


def test_a_record_is_kept_read_and_forgotten(project, run):
    made = record(run(SLEEP))
    write_record(project.records, made)
    assert read_record(project.records, "part") == made
    delete_record(project.records, "part")
    delete_record(project.records, "part")
    assert read_record(project.records, "part") is None


def test_a_record_that_a_crash_cut_short_counts_as_none(project):
    (project.records / "part.json").write_text('{"component": "pa')
    assert read_record(project.records, "part") is None


def test_the_process_of_a_record_is_found_while_it_lives(project, run):
    process = run(SLEEP, mark=False)
    made = record(process)
    assert process_of(made, project.state).pid == process.pid
    process.kill()
    until(lambda: process_of(made, project.state) is None)  # a zombie has ended
    process.wait()
    assert process_of(made, project.state) is None


def test_a_pid_that_serves_another_process_by_now_is_not_ours(project, run):
    stranger = run(SLEEP, mark=False)
    assert process_of(record(stranger, created=psutil.Process(stranger.pid).create_time() - 100), project.state) is None


def test_a_component_is_known_by_its_mark_when_the_clock_was_set(project, run):
    ours = run(SLEEP)
    made = record(ours, created=psutil.Process(ours.pid).create_time() - 3600)
    assert process_of(made, project.state).pid == ours.pid


def test_marked_processes_are_found_wherever_they_went(project, run):
    parent = run(PARENT)
    pids = {int(pid) for pid in (project.logs / "0.log").read_text().split()[1:]}
    assert {each.pid for each in marked(project.state)} == {parent.pid, *pids}
    assert {each.pid for each in family(psutil.Process(parent.pid))} == {parent.pid, *pids}


def test_another_stacks_processes_are_left_alone(project, run, tmp_path):
    run(SLEEP)
    assert marked(tmp_path / "other") == []


def test_ending_asks_first_and_kills_what_does_not_listen(project, run):
    polite, stubborn = run(SLEEP), run(STUBBORN)
    found = [psutil.Process(process.pid) for process in (polite, stubborn)]
    killed = end(found, 0.5)
    assert [each.pid for each in killed] == [stubborn.pid]
    assert polite.wait() == -signal.SIGTERM
    assert stubborn.wait() == -signal.SIGKILL


def test_ending_what_has_ended_is_fine(project, run):
    process = run(SLEEP)
    found = [psutil.Process(process.pid)]
    process.kill()
    process.wait()
    assert end(found, 0.1) == []


def test_memory_counts_the_family(project, run):
    parent = psutil.Process(run(PARENT).pid)
    assert memory_bytes(family(parent)) > memory_bytes([parent]) > 1_000_000
