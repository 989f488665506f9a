from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybook.contract import processes
from daybook.contract.processes import memory_bytes, with_descendants

MIB = 2**20
HOLD = "import sys; held = bytearray({size}); print('ready', flush=True); sys.stdin.read()"
FAMILY = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()']);"
    "print(child.pid, flush=True); child.wait()"
)


@pytest.fixture
def family() -> Iterator[tuple[int, int]]:
    """A process and its child."""
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        yield parent.pid, child
        assert parent.stdin is not None
        parent.stdin.close()


def test_a_process_is_found_with_its_descendants(family: tuple[int, int]) -> None:
    assert with_descendants(family[0]) == family
    assert set(family) <= set(with_descendants(os.getpid()))


def test_descendants_are_found_where_the_system_lists_no_children(
    family: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processes, "PROCESSES", tmp_path)

    assert with_descendants(family[0]) == family


def test_the_memory_of_processes_is_summed() -> None:
    command = [sys.executable, "-c", HOLD.format(size=50 * MIB)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        resident = memory_bytes([process.pid, os.getpid()], enough=2**40)
        proportional = memory_bytes([process.pid, os.getpid()], enough=0)
        process.stdin.close()

    assert resident > memory_bytes([os.getpid()], enough=2**40) + 49 * MIB
    assert 49 * MIB < proportional < resident


def test_a_process_that_has_ended_holds_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    assert memory_bytes([process.pid], enough=0) == 0
    assert with_descendants(process.pid) == (process.pid,)
