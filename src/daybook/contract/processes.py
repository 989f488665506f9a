"""Processes that belong together: which they are, and how much memory they hold. Runner and localpods both ask."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

PROCESSES = Path("/proc")


def with_descendants(pid: int) -> tuple[int, ...]:
    """A process and all that it and its children started; nothing of it that has ended.

    What has left its parent (a daemon) is not found.
    """
    found: list[int] = []
    waiting = [pid]
    children = _children if (PROCESSES / "self/task" / str(os.getpid()) / "children").exists() else _children_anywhere
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting.extend(each for each in children(one) if each not in found)
    return tuple(found)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):  # it has ended, or is somebody else's
        for thread in (PROCESSES / str(pid) / "task").iterdir():
            with suppress(OSError):
                found.extend(map(int, (thread / "children").read_bytes().split()))
    return found


def _children_anywhere(pid: int) -> list[int]:
    import psutil

    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children()]
    return []


def memory_bytes(pids: Collection[int], enough: int) -> int:
    """Memory of processes together.

    The sum of their resident sizes counts what they share once for each, but costs little. Where it is more than
    `enough`, their proportional sizes are summed instead, if the system tells them.
    """
    resident = sum(_told(pid, _resident) for pid in pids)
    return resident if resident <= enough else sum(_told(pid, _proportional) for pid in pids)


def _told(pid: int, measure: Callable[[int], int]) -> int:
    with suppress(OSError, LookupError):  # it has ended
        return measure(pid)
    return 0


def _resident(pid: int) -> int:
    if sys.platform == "linux":
        return int((PROCESSES / str(pid) / "statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error as error:
        raise ProcessLookupError(pid) from error


def _proportional(pid: int) -> int:
    try:
        lines = (PROCESSES / str(pid) / "smaps_rollup").read_bytes().splitlines()
    except (FileNotFoundError, PermissionError):  # not Linux, or a process of somebody else
        return _resident(pid)
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:"))
