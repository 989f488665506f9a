"""A notebook that executes in the worker: the real runner, as a child process of this one."""

import json
import os
import signal
import threading
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from airflow.providers.papermill.operators.papermill import PapermillOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout

from builders import a_notebook_json
from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import Manifest
from daybook.on_airflow.admission import VOUCHER
from daybook.on_airflow.assets import notebook_asset
from daybook.on_airflow.errors import RunFailed
from daybook.on_airflow.operator import NotebookOperator
from daybook.on_airflow.worker import WorkerNotebookOperator
from daybook.on_airflow.worker_process import RunnerProcess
from daybook.storage import record_of
from daybook.workspaces import load_workspaces
from daybook.workspaces.workspace import DEFAULT_IMAGE

NOTEBOOKS = Path(__file__).parents[2] / ".venv-notebook"
ECHO = 'from daybook.notebook import outputs, record\nrecord("given", word)\noutputs("a.txt").write_text(word)'
ASLEEP = "print('asleep', flush=True)\nimport time\ntime.sleep(600)"
WORKSPACES = """
workspaces:
  - {{name: trusted, bucket: "{bucket}", runs_in: worker, members: [ada], environment: {{SAID: "{bucket}"}}}}
  - {{name: pods, bucket: "{bucket}-pods", members: [ada]}}
  - {{name: secret, bucket: "{bucket}-secret", members: [ada], runs_in: worker, credentials: {{kind: secret, name: s}}}}
"""


class World:
    """A catalogue, workspaces, and what Airflow hands to a task."""

    def __init__(self, root):
        self.root = root
        self.workspaces = root / "workspaces.yaml"
        self.workspaces.write_text(WORKSPACES.format(bucket=root / "bucket"))
        self.pushed = []
        self.events = defaultdict(lambda: SimpleNamespace(extra={}))

    def notebook(self, name, *cells, parameters=None, **spec):
        folder = self.root / "notebooks" / name
        folder.mkdir(parents=True)
        (folder / "notebook.ipynb").write_text(a_notebook_json(cells, parameters=parameters))
        if spec:
            (folder / "spec.yaml").write_text(json.dumps(spec))
        return name

    def context(self, user="ada", **params):
        ti = SimpleNamespace(
            dag_id="d",
            task_id="run",
            map_index=-1,
            try_number=1,
            xcom_push=lambda key, value: self.pushed.append((key, value)),
        )
        dag_run = SimpleNamespace(
            run_id="manual__1",
            run_type="manual",
            run_after=datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC),
            logical_date=None,
            data_interval_start=None,
            data_interval_end=None,
            triggering_user_name=user,
            conf={},
        )
        return {"ti": ti, "dag_run": dag_run, "params": params, "outlet_events": self.events}

    def record(self):
        """The record of the one run that there is; None where there is none."""
        found = list((self.root / "bucket/runs").glob("*/*/*/*"))
        assert len(found) <= 1
        bucket = load_workspaces(self.workspaces).get("trusted").open_bucket({})
        return record_of(bucket, found[0].name) if found else None


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = World(tmp_path)
    monkeypatch.setenv("DAYBOOK_CATALOGUE", str(tmp_path / "notebooks"))
    monkeypatch.setenv("DAYBOOK_WORKSPACES", str(world.workspaces))
    monkeypatch.setenv("DAYBOOK_NOTEBOOK_ENV", str(NOTEBOOKS))
    return world


def executed(world, notebook, user="ada", **arguments):
    operator = WorkerNotebookOperator(task_id="run", notebook=notebook, **arguments)
    return operator.execute(world.context(user))


def at_once(monkeypatch, text, act):
    """Has something done as soon as the runner's log says a text."""
    follow = RunnerProcess.follow

    def noticed(self, say):
        def heard(line):
            say(line)
            if text in line:
                act(self)

        return follow(self, heard)

    monkeypatch.setattr(RunnerProcess, "follow", noticed)


def nothing_is_left(world):
    """Whether all that a run has started has ended."""

    def is_of_a_run(process):
        with suppress(psutil.Error):
            return process.environ().get("SAID") == str(world.root / "bucket")

    return not any(map(is_of_a_run, psutil.process_iter()))


def test_it_is_a_papermill_operator():
    assert issubclass(WorkerNotebookOperator, PapermillOperator)


def test_success_leaves_the_record_that_a_pod_would(world):
    notebook = world.notebook("echo", ECHO, parameters='word: str = "hey"')
    pointer = executed(world, notebook, parameters={"word": "given"})
    manifest = world.record().read()
    assert (manifest.state, manifest.sealed_by, manifest.exit_code) == ("succeeded", "runner", 0)
    assert (manifest.workspace, manifest.user, manifest.image, manifest.attempt) == ("trusted", "ada", None, 1)
    assert manifest.airflow.run_id == "manual__1"
    assert [output.path for output in manifest.outputs] == ["a.txt"]
    assert pointer["results"] == {"given": "given"}
    assert pointer["manifest"].endswith(f"{manifest.run_id}/manifest.json")
    assert world.pushed == [("return_value", pointer)]
    assert world.events[notebook_asset("echo")].extra == pointer
    assert nothing_is_left(world)


def test_the_operator_of_pods_hands_over_and_asks_no_kubernetes(world):
    world.notebook("echo", ECHO, parameters='word: str = "hey"')
    operator = NotebookOperator(task_id="run", notebook="echo", parameters_from="request")
    pointer = operator.execute(world.context(parameters={"word": "form"}, workspace="trusted"))
    assert pointer["results"] == {"given": "form"}
    assert operator.run_page.endswith(f"/notebooks/runs/trusted/{pointer['run_id']}")
    assert world.events[notebook_asset("echo")].extra == pointer
    again = world.context(parameters={"word": "form"}, workspace="trusted")
    again["ti"].try_number = 2  # the first was killed before it could say so
    repeating = NotebookOperator(task_id="run", notebook="echo", parameters_from="request", retries=1)
    again["ti"].max_tries = 1
    assert repeating.execute(again) == pointer
    assert world.record().read().attempt == 1


def handed_over(world, notebook, settings):
    """Executes a run for which settings were chosen."""
    operator = NotebookOperator(task_id="run", notebook=notebook, parameters_from="form")
    return operator.execute(world.context(workspace="trusted", run_settings=settings))


def test_a_time_that_was_chosen_for_a_run_counts_in_the_worker_too(world):
    with pytest.raises(AirflowFailException):
        handed_over(world, world.notebook("slow", ASLEEP), {"timeout_seconds": 3})
    manifest = world.record().read()
    assert (manifest.state, manifest.reason, manifest.sealed_by) == ("failed", "run_timeout", "runner")
    assert nothing_is_left(world)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"image": DEFAULT_IMAGE}, "there are no images without pods"),
        ({"gpu": 1}, "run_settings.gpu"),
        ("memory=1Gi", "must be an object"),
    ],
)
def test_settings_that_the_worker_cannot_give_start_nothing(world, settings, told):
    with pytest.raises(AirflowFailException, match=told):
        handed_over(world, world.notebook("echo", ECHO, parameters='word = "hey"'), settings)
    assert world.record() is None


def test_nothing_of_the_workers_secrets_reaches_the_notebook(world, monkeypatch):
    for name in ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW_CONN_STORE", "AWS_SECRET_ACCESS_KEY", "SOME_TOKEN"):
        monkeypatch.setenv(name, "of-the-worker-alone")
    source = (
        "import os\nfrom daybook.notebook import record\n"
        'record("names", sorted(os.environ))\nrecord("said", os.environ["SAID"])\n'
        'record("leaked", [n for n, v in os.environ.items() if "worker-alone" in v])\n'
        'record("open", [os.readlink(f"/proc/self/fd/{fd}") for fd in (0, 1, 2)])'
    )
    results = executed(world, world.notebook("looks", source))["results"]
    assert results["leaked"] == []
    assert [name for name in results["names"] if name.startswith("AIRFLOW")] == []
    assert results["said"] == str(world.root / "bucket")
    assert results["open"][0] == "/dev/null"


def test_a_failing_notebook_fails_the_task_for_good_and_keeps_the_record(world):
    with pytest.raises(AirflowFailException, match="no such luck"):
        executed(world, world.notebook("failing", 'raise ValueError("no such luck")'))
    manifest = world.record().read()
    assert (manifest.state, manifest.reason, manifest.sealed_by) == ("failed", "cell_error", "runner")
    assert world.pushed[0][1]["state"] == "failed"
    assert not world.events


def test_a_notebooks_own_error_is_retried_where_its_entry_asks_for_it(world):
    name = world.notebook("flaky", "raise ValueError", run={"retry_notebook_errors": True})
    with pytest.raises(RunFailed) as caught:
        executed(world, name)
    assert not isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize(
    ("spec", "arguments", "told"),
    [
        ({}, {"parameters": {"wrod": 1}}, "wrod"),
        ({}, {"user": "bob"}, "'bob' is not a member"),
        ({}, {"user": None}, "nobody is named"),
        ({}, {"workspace": "pods"}, "runs_in: worker"),
        ({}, {"workspace": "secret"}, "of kind secret are a pod's"),
        ({}, {"workspace": "trustd"}, "did you mean 'trusted'"),
        ({"workspaces": ["pods"]}, {"workspace": "trusted"}, "run only in: pods"),
        ({"run": {"image": "other:1"}}, {}, "image 'other:1' is not allowed"),
        ({"inputs": {"word": "secret"}}, {"parameters": {"word": "key"}}, "word: is a key of a Kubernetes Secret"),
    ],
)
def test_what_is_refused_starts_nothing(world, spec, arguments, told):
    notebook = world.notebook("echo", ECHO, parameters='word = "hey"', **spec)
    with pytest.raises(AirflowFailException, match=told):
        executed(world, notebook, **arguments)
    assert world.record() is None
    assert not list(world.root.rglob("manifest.json"))


def test_a_cancelled_run_is_sealed_as_interrupted_and_leaves_no_process(world, monkeypatch):
    operator = WorkerNotebookOperator(task_id="run", notebook=world.notebook("sleeper", ASLEEP))
    at_once(monkeypatch, "asleep", lambda _: operator.on_kill())
    with pytest.raises(AirflowException, match="interrupted"):
        operator.execute(world.context())
    manifest = world.record().read()
    assert (manifest.state, manifest.sealed_by) == ("interrupted", "runner")
    assert manifest.cells.interrupted == 1
    assert nothing_is_left(world)


@pytest.mark.parametrize(
    ("state", "reason", "for_good"), [("failed", "cancelled", True), ("running", "terminated", False)]
)
def test_a_run_that_is_ended_before_it_started_never_starts(world, airflow_says, state, reason, for_good):
    operator = NotebookOperator(task_id="run", notebook=world.notebook("sleeper", ASLEEP), workspace="trusted")
    operator._prepare(world.context())
    airflow_says(state)
    operator.on_kill()
    with pytest.raises(RunFailed) as raised:
        operator._worker.through(world.context(), ())
    assert isinstance(raised.value, AirflowFailException) == for_good
    assert (world.record().read().state, world.record().read().reason) == ("interrupted", reason)
    assert nothing_is_left(world)


def test_a_task_that_takes_too_long_ends_its_runner_and_is_sealed(world, monkeypatch):
    def time_is_up(_):
        raise AirflowTaskTimeout("too long")

    at_once(monkeypatch, "asleep", time_is_up)
    with pytest.raises(AirflowTaskTimeout):
        executed(world, world.notebook("sleeper", ASLEEP))
    assert (world.record().read().state, world.record().read().sealed) == ("interrupted", True)
    assert nothing_is_left(world)


def test_a_runner_that_is_killed_is_sealed_as_lost_with_all_it_started_ended_and_tried_again(world, monkeypatch):
    at_once(monkeypatch, "asleep", lambda runner: os.kill(runner._process.pid, signal.SIGKILL))
    with pytest.raises(AirflowException, match="killed by signal 9") as raised:
        executed(world, world.notebook("sleeper", ASLEEP))
    assert not isinstance(raised.value, AirflowFailException)
    manifest = world.record().read()
    assert (manifest.state, manifest.reason, manifest.sealed_by) == ("lost", "never_sealed", "operator")
    assert nothing_is_left(world)


def test_a_runner_that_hangs_is_killed_with_all_it_started_when_its_time_is_over(world, monkeypatch):
    monkeypatch.setattr("daybook.on_airflow.worker_process.DEADLINE_MARGIN_SECONDS", 0.0)
    frozen = lambda runner: os.kill(runner._process.pid, signal.SIGSTOP)  # noqa: E731
    at_once(monkeypatch, "asleep", frozen)
    notebook = world.notebook("sleeper", ASLEEP, run={"timeout_seconds": 6})
    with pytest.raises(AirflowFailException, match="deadline_exceeded"):
        executed(world, notebook)
    assert world.record().read().reason == "deadline_exceeded"
    assert nothing_is_left(world)


def test_the_next_try_is_a_new_attempt_and_what_an_earlier_one_left_open_is_sealed(world):
    notebook = world.notebook("echo", ECHO, parameters='word: str = "hey"')
    left = NotebookOperator(task_id="run", notebook=notebook, workspace="trusted")
    left._prepare(world.context())  # its worker was killed right after
    executed(world, notebook)
    record = world.record()
    assert (record.read().attempt, record.read().state) == (2, "succeeded")
    first = Manifest.from_json(record.store.read(AttemptKeys(1).manifest))
    assert (first.state, first.reason, first.sealed_by) == ("lost", "never_sealed", "operator")


def test_a_try_that_repeats_a_killed_one_believes_what_that_one_could_not_say(world):
    name = world.notebook("once", f"open({str(world.root / 'runs.txt')!r}, 'a').write('x')")
    pointer = executed(world, name)
    world.events.clear()
    again = world.context()
    again["ti"].try_number, again["ti"].max_tries = 2, 1
    operator = WorkerNotebookOperator(task_id="run", notebook=name, retries=1)
    assert operator.execute(again) == pointer
    assert (world.record().read().attempt, (world.root / "runs.txt").read_text()) == (1, "x")
    assert world.events[notebook_asset("once")].extra == pointer
    again["ti"].max_tries = 2  # somebody cleared it
    WorkerNotebookOperator(task_id="run", notebook=name, retries=1).execute(again)
    assert (world.record().read().attempt, (world.root / "runs.txt").read_text()) == (2, "xx")


@pytest.mark.parametrize("operator", [WorkerNotebookOperator, NotebookOperator])
def test_the_voucher_is_masked_before_anything_can_say_it(world, monkeypatch, operator):
    masked = []
    monkeypatch.setattr("daybook.on_airflow.plan.mask_secret", masked.append)
    context = world.context(user="bob")
    context["dag_run"].conf = {VOUCHER: "signed"}
    with pytest.raises(AirflowFailException):
        operator(task_id="run", notebook=world.notebook("echo", "1")).execute(context)
    assert masked == ["signed"]


def test_a_runner_that_cannot_be_started_is_told_and_worth_a_retry(world, monkeypatch, tmp_path):
    monkeypatch.setenv("DAYBOOK_NOTEBOOK_ENV", str(tmp_path / "none"))
    with pytest.raises(AirflowException, match="cannot start the runner") as raised:
        executed(world, world.notebook("echo", ECHO))
    assert not isinstance(raised.value, AirflowFailException)
    assert (world.record().read().state, world.record().read().sealed) == ("failed", True)


def test_what_a_catalogue_decides_is_no_argument():
    with pytest.raises(TypeError, match="WorkerNotebookOperator takes no input_nb, kernel_name"):
        WorkerNotebookOperator(task_id="run", notebook="echo", input_nb="x.ipynb", kernel_name="python3")


def test_no_thread_is_left_behind(world):
    before = set(threading.enumerate())  # one of an earlier test may end meanwhile
    executed(world, world.notebook("one", "1 + 1"))
    assert set(threading.enumerate()) <= before
