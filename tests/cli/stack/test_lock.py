import subprocess
import sys
import threading

import pytest

from daybook.cli.stack.lock import exclusive
from daybook.contract.errors import InfrastructureFailed

HOLD = """
import sys
from pathlib import Path
from daybook.cli.stack.lock import exclusive
with exclusive(Path(sys.argv[1]), print):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_the_second_waits_for_the_first_and_says_for_whom(tmp_path, holder):
    said = []
    entered = threading.Event()

    def second():
        with exclusive(tmp_path / "lock", said.append):
            entered.set()

    thread = threading.Thread(target=second)
    thread.start()
    assert not entered.wait(0.3)
    holder.stdin.close()
    assert entered.wait(10)
    thread.join()
    assert said == [f"waiting for another daybook command (process {holder.pid})"]


def test_a_killed_holder_lets_go(tmp_path, holder):
    holder.kill()
    holder.wait()
    with exclusive(tmp_path / "lock", pytest.fail):
        pass


def test_one_that_never_lets_go_is_named(tmp_path, holder):
    with (
        pytest.raises(InfrastructureFailed, match=f"process {holder.pid}"),
        exclusive(tmp_path / "lock", lambda _: None, wait_seconds=0.2),
    ):
        pytest.fail("it was held")


def test_it_can_be_held_again(tmp_path):
    for _ in range(2):
        with exclusive(tmp_path / "lock", pytest.fail):
            pass
