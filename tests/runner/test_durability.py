"""What is in the bucket while a run goes on: little is lost when the runner is killed, and little is written for it."""

import json
import os
import re
import signal
import time

import pytest

from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import Reason, State
from daybook.storage import RunRecord, open_store
from daybook.storage.journal import current, fold
from daybook.storage.sealing import Verdict
from runner.faults import FaultProxy
from runner.moto import s3_server
from runner.pods import wait_until

# Shown, not printed: a pod's output pipe takes 64 KiB until somebody reads it.
LARGE = "from IPython.display import display\ndisplay({'text/plain': 'b' * 6_000_000}, raw=True)"
TICKS = """
import time
for i in range(400):
    print("tick", i, time.time(), flush=True)
    time.sleep(0.05)
"""
GROWING = """
import time
for i in range(25):
    print("g" * 200_000)
    time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def s3():
    with s3_server("runs") as variables, FaultProxy(variables["AWS_ENDPOINT_URL"]) as proxy:
        yield {**os.environ, **variables, "AWS_ENDPOINT_URL": proxy.url}, proxy


def written(proxy, prefix):
    """Bytes put below a prefix, by key."""
    puts = {}
    for key, size in proxy.puts:
        if key.startswith(prefix):
            puts.setdefault(key, []).append(size)
    return puts


def test_what_is_written_stays_in_proportion_to_the_notebook(run, s3):
    environment, proxy = s3
    ended = run(GROWING, "print('done')", output="s3://runs/growing", environment=environment)
    assert ended.exit_code == 0, ended.said
    puts = written(proxy, "growing/")
    final = puts["growing/notebook.ipynb"][-1]
    on_the_way = sum(sum(sizes) for key, sizes in puts.items() if key.endswith((".ipynb", ".jsonl")))
    assert final > 5_000_000
    assert on_the_way <= 3 * final + 100_000
    slices = [key for key in puts if "/journal/" in key]
    assert slices


def test_when_the_run_has_ended_the_journal_is_gone(run, s3):
    environment, _ = s3
    run(LARGE, "import time; time.sleep(2)", "print('done')", output="s3://runs/tidy", environment=environment)
    keys = {info.key for info in open_store("s3://runs/tidy", environment).objects()}
    assert keys == {"manifest.json", "notebook.ipynb", "notebook.html", "log.txt", "source.ipynb"}


def test_a_killed_runner_has_lost_two_seconds_at_most_even_of_a_large_notebook(pod):
    process, left = pod(LARGE, TICKS)
    store = open_store(left.folder.as_uri())
    keys = AttemptKeys(1)

    def ticks():
        notebook = current(store, keys)
        outputs = notebook["cells"][1]["outputs"] if notebook else []
        return re.findall(r"tick \d+ ([\d.]+)", "".join("".join(each["text"]) for each in outputs))

    wait_until(lambda: len(ticks()) > 60, process)
    os.killpg(process.pid, signal.SIGSTOP)  # so that what is compared are the same moment's
    now = time.time()
    last = float(ticks()[-1])
    os.killpg(process.pid, signal.SIGKILL)
    assert now - last < 2.0
    assert left.manifest.state is State.RUNNING
    fold(store, keys, state=State.LOST, reason=Reason.POD_GONE, message="gone")
    folded = json.loads((left.folder / "notebook.ipynb").read_text())
    assert "".join(folded["cells"][0]["outputs"][0]["data"]["text/plain"]) == "b" * 6_000_000
    assert folded["cells"][1]["metadata"]["daybook"]["state"] == "interrupted"
    assert not any(info.key.endswith(".jsonl") for info in store.objects())


def test_a_cell_that_prints_and_falls_silent_is_saved_while_it_runs(pod):
    process, left = pod("1", "import time\nprint('last words', flush=True)\ntime.sleep(300)")
    copy = left.folder / "notebook.ipynb"
    wait_until(lambda: copy.exists() and "last words\\n" in copy.read_text(), process)


def test_a_runner_that_was_given_up_leaves_what_the_sealer_put_in_order(pod):
    process, left = pod("print('so far')", "import time; time.sleep(300)")
    copy = left.folder / "notebook.ipynb"
    wait_until(lambda: copy.exists() and json.loads(copy.read_text())["cells"][0]["outputs"], process)
    os.kill(process.pid, signal.SIGSTOP)  # its node does not answer: whoever watches it gives it up
    record = RunRecord(open_store(left.folder.as_uri()))
    sealed = record.seal(1, Verdict(State.LOST, Reason.POD_GONE, "its node is gone", "operator"))
    before = {path: path.read_bytes() for path in left.folder.rglob("*") if path.is_file()}
    os.kill(process.pid, signal.SIGCONT)  # and comes back
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert record.read() == sealed
    assert {path: path.read_bytes() for path in left.folder.rglob("*") if path.is_file()} == before
