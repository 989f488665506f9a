"""What a run takes and what it may take: memory with its limit, processor time, bytes; and faults of our own."""

import pytest

from daybook.contract.errors import ExitCode
from daybook.contract.manifest import Reason, State
from daybook.contract.request import Limits
from daybook.runner.messages import MessageTaker
from runner.runs import notebook_of

GREEDY = """
print("about to take too much", flush=True)
import time; time.sleep(0.5)
taken = []
while True:
    taken.append(bytearray(b"x" * 20_000_000))
    time.sleep(0.02)
"""


def test_a_kernel_that_takes_too_much_memory_is_ended_with_limit_and_peak_told(pod):
    # A process of its own: the runner's memory counts, and that of all these tests together is too much by itself.
    process, ended = pod("1", GREEDY, "3", limits=Limits(memory_bytes=700_000_000))
    process.communicate(timeout=200)
    manifest = ended.manifest
    assert (manifest.state, manifest.reason) == (State.FAILED, Reason.OUT_OF_MEMORY)
    assert process.returncode == manifest.exit_code == ExitCode.NOTEBOOK_FAILED
    assert "in cell 2/3 for using more memory than the limit of 668 MiB (peak " in manifest.message
    assert ended.states == ["succeeded", "failed", "not_run"]
    assert ended.printed(1) == "about to take too much\n"
    assert manifest.resources.memory_limit_bytes == 700_000_000
    assert 500_000_000 < manifest.resources.peak_memory_bytes < 800_000_000


def test_the_manifest_tells_what_a_run_took(run):
    work = "import time\nbegan = time.process_time()\nwhile time.process_time() - began < 0.5: pass"
    hold = "from daybook.notebook import outputs\noutputs('a.bin').write_bytes(bytes(300_000))\nx = b'x' * 200_000_000"
    ended = run(work, hold)
    taken = ended.manifest.resources
    assert taken.cpu_seconds > 0.5
    assert taken.peak_memory_bytes > 200_000_000
    assert taken.bytes_in == (run.root / "given1.ipynb").stat().st_size
    in_bucket = sum(path.stat().st_size for path in ended.folder.rglob("*") if path.is_file())
    assert taken.bytes_out > 300_000
    assert taken.bytes_out < 3 * in_bucket


def test_a_fault_of_our_own_in_the_middle_of_a_cell_leaves_no_cell_running(run, monkeypatch):
    def broken(*_):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(MessageTaker, "_print", broken)
    ended = run("1", "print('x')", "3")
    manifest = ended.manifest
    assert (manifest.state, manifest.reason) == (State.FAILED, Reason.INTERNAL_ERROR)
    assert ended.exit_code is ExitCode.INFRASTRUCTURE_FAILED
    assert "a fault of ours" in manifest.message
    assert ended.states == ["succeeded", "interrupted", "not_run"]
    assert manifest.cells.current is None


@pytest.mark.parametrize("shown", ["10**5000", "display({'application/json': {'n': 10**5000}}, raw=True)"])
def test_numbers_that_python_does_not_read_back_are_kept_all_the_same(run, shown):
    ended = run("import sys; sys.set_int_max_str_digits(0)", shown)
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert "0" * 4000 in str(ended.notebook["cells"][1]["outputs"])


def test_a_kernel_that_stands_in_for_another_is_told_of_in_the_log(run):
    ended = run(document=notebook_of("print('here')", kernel="conda-env-of-the-author"))
    assert ended.exit_code is ExitCode.SUCCEEDED
    assert "kernel 'conda-env-of-the-author', which the notebook names, is not installed here" in ended.said
