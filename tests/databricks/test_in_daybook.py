"""Runs of Daybook on a cluster: the real runner, the real kernel, a stand-in Databricks over real HTTP."""

import os
import signal
from itertools import chain, repeat

import pytest

from databricks.standin import Fault
from daybook.contract.manifest import Reason, State
from daybook.contract.request import Limits, NotebookSource
from runner.pods import Pods, wait_until
from runner.runs import Runner, code, notebook_of

CLUSTER = "0123-456789-abcdefgh"
OTHER_TOKEN = "dapi-another-token"
LONG = 240.0
"""Seconds for a kernel to come up and load the SDK, on a machine that is busy with everything else."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def run(tmp_path, standin):
    """Runs cells on the stand-in's cluster."""
    runner = Runner(tmp_path)

    def run(*cells, variables=None, **options):
        own = {name: value for name, value in os.environ.items() if not name.startswith("DATABRICKS")}
        given = {**own, **standin.environment(CLUSTER), **(variables or {})}
        environment = {name: value for name, value in given.items() if value is not None}
        return runner(document=notebook_of(*cells, kernel="databricks"), environment=environment, **options)

    return run


@pytest.fixture
def left_on(standin):
    """What is left of a run on the cluster: contexts, and folders on the driver."""

    def left():
        return [*standin.contexts._contexts, *map(str, standin.root.glob("**/tmp/daybook-*"))]

    return left


def test_a_notebook_runs_there_with_parameters_outputs_results_and_a_record(run, standin, left_on):
    result = run(
        code("word = 'default'\ntimes = 1", "parameters"),
        "from daybook.notebook import outputs, record, workspace\n"
        "outputs('tables', 'words.csv').write_text(word * times)\n"
        "open('outputs/plain.txt', 'w').write('plain')\n"
        "record('length', len(word * times))",
        "print(workspace().name, workspace().user, 'on', __import__('os').environ['DATABRICKS_RUNTIME_VERSION'])",
        "1 / 1",
        parameters={"word": "nö'\n", "times": 3},
    )
    m = result.manifest
    assert (result.exit_code, m.state, m.reason) == (0, State.SUCCEEDED, None), result.said
    assert result.printed(3) == "local alice on 16.4"
    assert m.results == {"length": 12}
    assert [each.path for each in m.outputs] == ["plain.txt", "tables/words.csv"]
    assert (result.folder / "outputs" / "tables" / "words.csv").read_text() == "nö'\n" * 3
    cluster = m.databricks
    assert (cluster.host, cluster.cluster_id) == (standin.host, CLUSTER)
    assert cluster.context_id
    assert cluster.driver_log == f"{standin.host}/#setting/sparkui/{CLUSTER}/driver-logs"
    assert [each.cell for each in cluster.commands] == [0, 1, 2, 3, 4]
    assert {each.command_id for each in cluster.commands} <= set(standin.commands.all)
    assert (m.kernel.name, m.packages) == ("databricks", {})
    assert left_on() == []


def test_a_failing_cell_fails_the_run_and_what_it_wrote_before_is_there(run, left_on):
    result = run(
        "from daybook.notebook import outputs, record\n"
        "record('a', 1); outputs('a.txt').write_text('a')\n"
        "print('so far')\n"
        "1 / 0",
        "print('never')",
    )
    m = result.manifest
    assert (m.state, m.reason, m.error.name, m.exit_code) == (State.FAILED, Reason.CELL_ERROR, "ZeroDivisionError", 1)
    assert "1 / 0" in m.error.source
    assert result.states == ["failed", "not_run"]
    assert (m.results, [each.path for each in m.outputs]) == ({"a": 1}, ["a.txt"])
    assert "so far" in result.printed(0)
    assert left_on() == []


def test_no_token_is_in_the_record(run, standin):
    result = run("print('dapi-stand-in-' + 'token')")
    everything = b"".join(each.read_bytes() for each in result.folder.rglob("*") if each.is_file())
    assert b"dapi-stand-in-token" not in everything


def test_a_time_limit_reaches_the_cluster(run, standin, left_on, monkeypatch):
    # The kernel's start and the first cell, which is asked about twice, take what this machine needs.
    seconds = chain((None, None, None), repeat(2.0))
    limit = lambda *_, **__: (Reason.CELL_TIMEOUT, next(seconds))  # noqa: E731
    monkeypatch.setattr("daybook.runner.executing.Execution._time_left", limit)
    result = run(
        "from daybook.notebook import outputs; outputs('a.txt').write_text('a')",
        "import time; time.sleep(600)",
        limits=Limits(cell_timeout_seconds=2),
    )
    m = result.manifest
    assert (m.state, m.reason, result.states) == (State.FAILED, Reason.CELL_TIMEOUT, ["succeeded", "failed"])
    assert [each.path for each in m.outputs] == ["a.txt"]
    assert standin.count("commands/cancel") == 1
    assert left_on() == []


@pytest.fixture
def pod(tmp_path, standin):
    """Starts a runner as a pod does, with a notebook for the cluster; gives its process and its run."""
    pods = Pods(tmp_path)
    source = tmp_path / "pod0" / "given.ipynb"
    notebook = NotebookSource(id="example", source=str(source), kernel="databricks")
    yield lambda *cells: pods(*cells, variables=standin.environment(CLUSTER), notebook=notebook)
    pods.end()


def printed_on(standin, text):
    """Whether a command on the cluster has printed something."""
    return lambda: any(text in each.printed for each in list(standin.commands.all.values()))


def test_a_cancelled_run_leaves_nothing_running_and_keeps_what_it_made(pod, standin, left_on):
    process, result = pod(
        "from daybook.notebook import outputs, record; outputs('a.txt').write_text('a'); record('a', 1)",
        "import time; print('begun', flush=True); time.sleep(600)",
    )
    wait_until(printed_on(standin, "begun"), process, LONG)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    m = result.manifest
    assert (process.returncode, m.state, m.reason) == (143, State.INTERRUPTED, Reason.TERMINATED), said
    assert (m.results, [each.path for each in m.outputs]) == ({"a": 1}, ["a.txt"])
    assert result.states == ["succeeded", "interrupted"]
    assert standin.count("commands/cancel") == 1
    assert left_on() == []


def test_a_run_that_is_cancelled_while_it_fetches_is_recorded_in_time(pod, standin, left_on):
    process, result = pod(
        "import os; from daybook.notebook import outputs\n"
        "for n in range(40): outputs(str(n)).write_bytes(os.urandom(1_000_000))",
    )

    def fetching():
        return any(result.scratch.glob("**/outputs/*"))

    standin.commands.text_limit = 10_000_000  # a runtime that lets parts of a megabyte through
    standin.faults.add(Fault("commands/execute", status=None, delay=3, after=5, times=1000))
    wait_until(fetching, process, LONG)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    m = result.manifest
    assert (process.returncode, m.state) == (0, State.SUCCEEDED), said
    assert 0 < len(m.outputs) < 40
    assert "no time left to fetch" in (result.folder / "log.txt").read_text()
    assert left_on() == []


def test_a_lost_context_is_a_failed_cell_and_is_not_run_again(run, standin, left_on):
    result = run(
        "from daybook.notebook import outputs; outputs('a.txt').write_text('a')",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "print('never')",
    )
    m = result.manifest
    assert m.state is State.FAILED
    assert result.states == ["succeeded", "failed", "not_run"]
    assert [each.path for each in m.outputs] == ["a.txt"]
    assert left_on() == []


def test_a_run_whose_cell_restarts_python_goes_on_with_its_parameters_and_in_its_folder(run, left_on):
    result = run(
        code("year = 2000", "parameters"),
        "from daybook.notebook import record\nrecord('before', 1); open('outputs/before.txt', 'w').write('b')",
        "dbutils.library.restartPython()",
        "from daybook.notebook import record\nrecord('after', year); open('outputs/after.txt', 'w').write('a')",
        parameters={"year": 2013},
    )
    m = result.manifest
    assert (m.state, m.results) == (State.SUCCEEDED, {"before": 1, "after": 2013}), result.said
    assert [each.path for each in m.outputs] == ["after.txt", "before.txt"]
    assert left_on() == []


def test_a_cluster_that_does_not_start_is_the_infrastructures_failure(run, standin):
    standin.clusters.add(CLUSTER, state="TERMINATED", start_fails="CLOUD_PROVIDER_LAUNCH_FAILURE")
    m = run("1").manifest
    assert (m.state, m.reason, m.exit_code) == (State.FAILED, Reason.CLUSTER_UNAVAILABLE, 3)
    assert (m.databricks.cluster_id, m.databricks.context_id) == (CLUSTER, None)


def test_a_notebook_that_names_the_kernel_itself_in_a_pod_is_told_what_is_missing(run):
    nothing = {"DAYBOOK_REQUEST": "{}", "DATABRICKS_HOST": None}
    m = run("1", variables=nothing).manifest
    assert (m.state, m.reason) == (State.FAILED, Reason.INVALID_REQUEST)
    assert "say `kernel: databricks` under `run` in its entry" in m.message


def test_refused_credentials_say_so(run):
    m = run("1", variables={"DATABRICKS_TOKEN": OTHER_TOKEN}).manifest
    assert (m.state, m.reason, m.exit_code) == (State.FAILED, Reason.CREDENTIALS_REFUSED, 3)
    assert "401" in m.message


def test_without_a_host_the_request_is_invalid(run):
    m = run("1", variables={"DATABRICKS_HOST": ""}).manifest
    assert (m.state, m.reason, m.exit_code) == (State.FAILED, Reason.INVALID_REQUEST, 2)
    assert "DATABRICKS_HOST" in m.message
