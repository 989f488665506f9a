from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from daybook.contract.processes import memory_bytes, with_descendants
from daybook.runner import memory
from daybook.runner.control_group import ControlGroup
from daybook.runner.memory import MARGIN_BYTES, MemoryGuard, to_be_killed_first
from runner.groups import MIB, machine, membership, version_1, version_2

GROW = """
import sys
held = []
for _ in range({steps}):
    held.append(bytearray(b"x") * (5 * 2**20))
print("ready", flush=True)
sys.stdin.read()
"""


def grower(mib: int) -> subprocess.Popen[bytes]:
    """A process that fills so much memory, in steps, says so and then waits to be ended."""
    command = [sys.executable, "-c", GROW.format(steps=mib // 5)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def killing(process: subprocess.Popen[bytes]) -> Callable[[], None]:
    return lambda: os.killpg(process.pid, signal.SIGKILL)


def group_of(tmp_path: Path, limit_mib: int, version: Callable[..., Path] = version_2, **state: int) -> ControlGroup:
    limit = str(limit_mib * MIB) if version is version_2 else limit_mib * MIB
    name, told = ("groups", "0::/\n") if version is version_2 else ("groups/memory", "4:memory:/\n")
    version(tmp_path / name, limit, **state)
    group = ControlGroup.here(tmp_path / "groups", membership(tmp_path, told), machine(tmp_path))
    assert group is not None
    return group


class Kernel:
    """Stands for a kernel's process group: notes that it was killed."""

    def __init__(self, pids: Iterable[int] = (os.getpid(),)) -> None:
        self.pids = tuple(pids)
        self.killed = 0

    def kill(self) -> None:
        self.killed += 1


def test_a_process_that_passes_the_limit_is_killed() -> None:
    limit = memory_bytes([os.getpid()], enough=0) + 200 * MIB

    with (
        grower(300) as process,
        MemoryGuard(limit, lambda: with_descendants(process.pid), killing(process)) as guard,
    ):
        code = process.wait(30)

    assert code == -signal.SIGKILL
    assert guard.exceeded
    assert guard.limit_bytes == limit
    assert guard.peak_bytes is not None
    assert guard.peak_bytes > limit - MARGIN_BYTES
    assert guard.message() == (
        f"for using more memory than the limit of {limit / MIB:.0f} MiB (peak {guard.peak_bytes / MIB:.0f} MiB)"
    )


def test_what_a_kernel_started_counts() -> None:
    limit = memory_bytes([os.getpid()], enough=0) + 200 * MIB
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {GROW.format(steps=60)!r}])"

    with (
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, start_new_session=True) as process,
        MemoryGuard(limit, lambda: with_descendants(process.pid), killing(process)) as guard,
    ):
        code = process.wait(30)

    assert code == -signal.SIGKILL
    assert guard.exceeded


def test_a_process_below_the_limit_is_left_alone_and_its_peak_noted() -> None:
    with grower(100) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        guard = MemoryGuard(2**40, lambda: with_descendants(process.pid), killing(process))
        process.stdout.readline()
        guard.look()
        process.stdin.close()

        assert process.wait(30) == 0

    assert not guard.exceeded
    assert guard.peak_bytes is not None
    assert guard.peak_bytes > 100 * MIB


def test_without_a_limit_the_peak_is_noted() -> None:
    kernel = Kernel()
    with MemoryGuard(None, lambda: kernel.pids, kernel.kill) as guard:
        pass

    assert guard.limit_bytes is None
    assert guard.peak_bytes is not None
    assert guard.peak_bytes > MIB
    assert not guard.exceeded


@pytest.mark.parametrize("version", [version_1, version_2])
@pytest.mark.parametrize(("used_mib", "ended"), [(940, False), (980, True), (1100, True)])
def test_a_group_near_its_limit_ends_the_kernel(
    tmp_path: Path, version: Callable[..., Path], used_mib: int, ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "memory_bytes", lambda *_: 0)  # what this process itself holds, after many tests
    kernel = Kernel()
    guard = MemoryGuard(None, lambda: kernel.pids, kernel.kill, group_of(tmp_path, 1024, version, used=used_mib * MIB))

    guard.look()

    assert guard.exceeded is ended
    assert kernel.killed == int(ended)
    if ended:
        assert guard.message() == f"for using more memory than the limit of 1024 MiB (peak {used_mib} MiB)"


@pytest.mark.parametrize(("version", "entry"), [(version_1, "total_inactive_file"), (version_2, "active_file")])
def test_what_linux_only_holds_of_files_does_not_count(
    tmp_path: Path, version: Callable[..., Path], entry: str
) -> None:
    kernel = Kernel()
    group = group_of(tmp_path, 1024, version, used=1020 * MIB, **{entry: 200 * MIB})
    guard = MemoryGuard(None, lambda: kernel.pids, kernel.kill, group)

    guard.look()

    assert not guard.exceeded


def test_the_kernel_is_ended_once(tmp_path: Path) -> None:
    kernel = Kernel()
    guard = MemoryGuard(None, lambda: kernel.pids, kernel.kill, group_of(tmp_path, 512, used=512 * MIB))

    guard.look()
    guard.look()

    assert kernel.killed == 1


def test_a_kernel_that_has_just_ended_is_no_error(tmp_path: Path) -> None:
    def gone() -> None:
        raise ProcessLookupError

    guard = MemoryGuard(None, lambda: (os.getpid(),), gone, group_of(tmp_path, 512, used=512 * MIB))

    guard.look()

    assert guard.exceeded


def test_without_a_kernel_nothing_is_ended(tmp_path: Path) -> None:
    kernel = Kernel(())
    guard = MemoryGuard(None, lambda: kernel.pids, kernel.kill, group_of(tmp_path, 512, used=512 * MIB))

    guard.look()

    assert not guard.exceeded
    assert kernel.killed == 0


def test_a_stopped_guard_ends_nothing(tmp_path: Path) -> None:
    kernel = Kernel()
    guard = MemoryGuard(None, lambda: kernel.pids, kernel.kill, group_of(tmp_path, 512, used=512 * MIB))

    guard.stop()
    guard.stop()
    guard.look()

    assert kernel.killed == 0


def test_memory_of_others_in_the_group_is_not_this_runs_fault(tmp_path: Path) -> None:
    group = group_of(tmp_path, 100, used=98 * MIB)
    with grower(60) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        (tmp_path / "groups/cgroup.procs").write_text(f"{os.getpid()}\n{other.pid}\n")
        kernel = Kernel()
        MemoryGuard(None, lambda: kernel.pids, kernel.kill, group).look()
        own = Kernel([other.pid])
        MemoryGuard(None, lambda: own.pids, own.kill, group).look()
        other.stdin.close()

    assert (kernel.killed, own.killed) == (0, 1)


@pytest.mark.parametrize("version", [version_1, version_2])
def test_what_linux_killed_is_told_of(
    tmp_path: Path, version: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "memory_bytes", lambda *_: 0)  # what this process itself holds, after many tests
    kernel = Kernel()
    group = group_of(tmp_path, 1024, version, used=10 * MIB, kills=2)
    guard = MemoryGuard(None, lambda: kernel.pids, kernel.kill, group)
    guard.look()
    assert not guard.exceeded

    group_of(tmp_path, 1024, version, used=10 * MIB, kills=3)

    assert guard.exceeded
    assert guard.message() == "for using more memory than the limit of 1024 MiB (peak 1024 MiB)"


@pytest.mark.parametrize(("given_mib", "group_mib", "limit_mib"), [(100, 200, 100), (200, 100, 100), (None, 100, 100)])
def test_the_lower_limit_holds(tmp_path: Path, given_mib: int | None, group_mib: int, limit_mib: int) -> None:
    given = None if given_mib is None else given_mib * MIB

    guard = MemoryGuard(given, tuple, lambda: None, group_of(tmp_path, group_mib))

    assert guard.limit_bytes == limit_mib * MIB


def test_sizes_of_processes_do_not_count_where_a_group_limits_them(tmp_path: Path) -> None:
    kernel = Kernel()
    group = group_of(tmp_path, 1, used=0)
    guard = MemoryGuard(MIB, lambda: kernel.pids, kernel.kill, group)

    guard.look()

    assert guard.peak_bytes is not None
    assert guard.peak_bytes > MIB
    assert not guard.exceeded


def test_the_guard_looks_more_often_the_less_room_there_is(tmp_path: Path) -> None:
    waits = [
        MemoryGuard(None, tuple, lambda: None, group_of(tmp_path, 4096, used=used * MIB)).look()
        for used in (10, 3000, 3900, 4000)
    ]

    assert waits == sorted(waits, reverse=True)
    assert waits[0] == 0.25
    assert waits[1] > waits[2]
    assert waits[3] > 0


def test_closing_ends_the_thread() -> None:
    with MemoryGuard(None, tuple, lambda: None):
        assert "memory-guard" in {thread.name for thread in threading.enumerate()}

    assert "memory-guard" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux chooses a process to kill")
def test_a_kernel_and_what_it_starts_are_killed_before_the_runner() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        to_be_killed_first(process.pid)
        chosen = Path(f"/proc/{process.pid}/oom_score_adj").read_text()
        process.kill()

    assert chosen == "1000\n"
    to_be_killed_first(2**22 + 1)  # nobody: nothing to do
