"""Starting and undoing, with real processes that stand for components."""

import json
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest

from daybook.cli.stack import airflow, state
from daybook.cli.stack.components import API_SERVER, SCHEDULER, Component
from daybook.cli.stack.launch import Launch, Watch
from daybook.cli.stack.processes import STACK_VARIABLE, marked, process_of, read_record
from daybook.contract.errors import InfrastructureFailed

WORKS = "open('{name}.ready', 'w').close(); import time; time.sleep(60)"
DIES = "import sys; print('first\\nno such thing'); sys.exit(7)"
IS_KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
HANGS = "print('thinking', flush=True); import time; time.sleep(60)"


@pytest.fixture
def said():
    return []


@pytest.fixture
def launch(project, said):
    made = []

    def make(seconds: float = 20.0, **options) -> Launch:
        made.append(Launch(project, Watch(said.append, lambda *_: None), seconds, **options))
        return made[-1]

    yield make
    for process in marked(project.state):
        process.kill()
    for each in [started for one in made for started in one.started.values()]:
        while each.exit_code() is None:  # components outlive `up`, but not a test
            time.sleep(0.01)


@pytest.fixture
def part(project):
    def make(name: str, code: str) -> Component:
        ready = project.state / f"{name}.ready"
        return Component(
            name=name,
            command=(sys.executable, "-c", code.format(name=name)),
            environment={STACK_VARIABLE: str(project.state)},
            log=project.logs / f"{name}.log",
            ready=lambda _: None if ready.exists() else "not yet",
        )

    return make


def bring_up(launch, *parts, running=None):
    launch.bring_up(parts, running or {}, parts[0])


def test_what_is_missing_is_started_and_waited_for(project, launch, part, said):
    bring_up(launch(), part("one", WORKS), part("two", WORKS))
    for name in ("one", "two"):
        assert process_of(read_record(project.records, name), project.state)
        assert any(line.startswith(f"{name} is up") for line in said)


def test_one_that_dies_is_named_with_its_code_and_the_end_of_its_log(project, launch, part):
    with pytest.raises(InfrastructureFailed) as caught:
        bring_up(launch(), part("one", WORKS), part("two", DIES))
    text = str(caught.value)
    assert "two ended with exit code 7 while the stack was starting" in text
    assert str(project.logs / "two.log") in text
    assert "| no such thing" in text


def test_one_that_is_killed_is_named_with_the_signal(launch, part):
    with pytest.raises(InfrastructureFailed, match="two was ended by signal 9"):
        bring_up(launch(), part("two", IS_KILLED))


def test_a_failed_start_leaves_nothing_of_its_own_and_keeps_what_ran_before(project, launch, part):
    before = part("before", WORKS)
    bring_up(launch(), before)
    record = read_record(project.records, "before")
    with pytest.raises(InfrastructureFailed):
        bring_up(launch(), before, part("one", WORKS), part("two", DIES), running={"before": record})
    assert [each.pid for each in marked(project.state)] == [record.pid]
    assert [path.stem for path in project.records.iterdir()] == ["before"]


def test_one_that_does_not_get_ready_is_named_with_what_is_missing(project, launch, part):
    with pytest.raises(InfrastructureFailed, match=r"one is not up after 1 s: not yet(.|\n)*thinking(.|\n)*--timeout"):
        bring_up(launch(1.0), part("one", HANGS))
    assert marked(project.state) == []


def test_a_running_component_that_died_unnoticed_is_named(project, launch, part):
    one = part("one", WORKS)
    bring_up(launch(), one)
    record = read_record(project.records, "one")
    (project.state / "one.ready").unlink()
    psutil.Process(record.pid).kill()
    psutil.Process(record.pid).wait()
    with pytest.raises(InfrastructureFailed, match="one ended while the stack was starting"):
        bring_up(launch(), one, running={"one": record})


def test_ctrl_c_ends_what_was_started(project, launch, part):
    main = threading.main_thread().ident

    def press():
        while not marked(project.state):
            time.sleep(0.01)
        import signal

        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        bring_up(launch(), part("one", HANGS))
    thread.join()
    assert marked(project.state) == []


def test_records_say_what_status_needs(project, launch, part):
    bring_up(launch(), part("one", WORKS))
    content = json.loads((project.records / "one.json").read_text())
    assert content["log"] == str(project.logs / "one.log")
    assert content["pid"] == marked(project.state)[0].pid


class PlainLauncher:
    """Starts each component as a process of its own, and tells when a scheduler came before the API server worked."""

    def __init__(self, project, python, environment):
        self.project = project
        self.processes = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def start(self, part):
        if part.name == SCHEDULER:
            assert (self.project.state / f"{API_SERVER}.ready").exists()
        self.processes[part.name], record = part.start(self.project)
        return record

    def exit_code(self, name):
        return self.processes[name].poll()


def airflow_parts(project, part, api_server=WORKS):
    (project.airflow_home / "airflow.db").touch()
    airflow.stamp_migration(project)
    codes = {SCHEDULER: WORKS, API_SERVER: api_server}
    return [replace(part(name, code), arguments=(name,)) for name, code in codes.items()]


def test_the_scheduler_starts_only_when_tasks_find_an_api_server(project, launch, part):
    slow = "import time; time.sleep(0.5); " + WORKS
    bring_up(launch(launcher=PlainLauncher), *airflow_parts(project, part, slow))
    assert set(state.alive(project)) == {SCHEDULER, API_SERVER}


def test_an_api_server_that_dies_keeps_the_scheduler_from_starting(project, launch, part):
    with pytest.raises(InfrastructureFailed, match="airflow-api-server ended with exit code 7"):
        bring_up(launch(launcher=PlainLauncher), *airflow_parts(project, part, DIES))
    assert marked(project.state) == []
    assert not (project.logs / f"{SCHEDULER}.log").exists()
