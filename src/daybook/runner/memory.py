"""Ends a kernel that takes too much memory before Linux does, so that the run's record is sealed.

Where memory runs out, the kubelet (1.28 and later, on version 2 of control groups) has Linux kill all processes of the
container at once: the runner with the kernel, and nobody is left to write the record. So the runner watches, and ends
the kernel alone a little below the limit.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from daybook.contract.processes import PROCESSES, memory_bytes
from daybook.runner.control_group import ControlGroup

MARGIN_SHARE = 0.05
MARGIN_BYTES = 64 * 1024 * 1024
"""The kernel is ended when less than this share of the limit is left, or less than so many bytes if that is less."""
LOOK_SECONDS = 0.25
"""The longest time between two looks, as long as there is much room."""
SHORTEST_LOOK_SECONDS = 0.005
GROWTH_BYTES_PER_SECOND = 4 * 1024**3
"""How fast memory may fill up between two looks: about what one thread can touch."""


class MemoryGuard:
    """Watches the memory of the runner and of a kernel with all it started, from a thread.

    Two limits may hold, and either is enough: that of the control group, as Linux counts it (without what it only
    caches of files), and a given one, against which the processes' own sizes are summed, where no group has a lower
    limit. A kernel that fills memory within milliseconds can still be faster than any watch; then `exceeded` tells of
    what Linux did, if the runner is left to ask.

    Attributes:
        limit_bytes: the lowest limit; None where there is none, and then only the peak is noted.
    """

    def __init__(
        self,
        limit_bytes: int | None,
        pids: Callable[[], Iterable[int]],
        kill: Callable[[], None],
        group: ControlGroup | None = None,
    ) -> None:
        self._pids = pids
        self._kill = kill
        self._group = group
        self._given = limit_bytes if group is None or (limit_bytes or 0) < group.limit_bytes else None
        limits = [limit for limit in (limit_bytes, group.limit_bytes if group else None) if limit is not None]
        self.limit_bytes = min(limits, default=None)
        self._kills_before = group.kills() if group else 0
        self._peak = 0
        self._summed_at = -math.inf
        self._passed: int | None = None  # the limit for which this guard has ended the kernel
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-guard", daemon=True)

    @classmethod
    def here(cls, limit_bytes: int | None, pids: Callable[[], Iterable[int]], kill: Callable[[], None]) -> Self:
        """A guard under the control group that this process is in.

        Args:
            limit_bytes: how much the run may use, where no group has a lower limit; None for as much as there is.
            pids: the kernel and all it started, as of now (`processes.with_descendants`); nothing before its start.
            kill: ends the kernel's process group at once; called at most once, from the guard's thread.
        """
        return cls(limit_bytes, pids, kill, ControlGroup.here())

    @property
    def exceeded(self) -> bool:
        """Whether a limit was passed: this guard ended the kernel for it, or Linux killed a process of the group."""
        return self._passed is not None or self._linux_killed()

    @property
    def peak_bytes(self) -> int | None:
        """The most memory that was seen in use; no less than the limit once Linux has killed for it."""
        peak = max(self._peak, self._group.limit_bytes) if self._group and self._linux_killed() else self._peak
        return peak or None

    def message(self) -> str:
        """Why the kernel was ended, for a sentence like `the kernel was killed in cell 3/5 …`."""
        limit = self._passed or (self._group.limit_bytes if self._group else self.limit_bytes)
        return f"for using more memory than the limit of {_shown(limit)} (peak {_shown(self.peak_bytes)})"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Watches no more, and calls `kill` no more; calling it again is fine."""
        self._stopping.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def look(self) -> float:
        """Looks once, ends the kernel if need be, and tells after how many seconds to look again."""
        kernel = tuple(self._pids())
        # The group first: it costs microseconds, whereas a process that takes memory right now is slow to tell of it.
        room = min(self._room_in_group(kernel), self._room_for_processes(kernel))
        return min(LOOK_SECONDS, max(SHORTEST_LOOK_SECONDS, room / GROWTH_BYTES_PER_SECOND))

    def _room_in_group(self, kernel: tuple[int, ...]) -> float:
        used = self._group.used_bytes() if self._group else None
        if self._group is None or used is None:
            return math.inf
        room = _most(self._group.limit_bytes) - used
        if room < 0:
            room += self._group.swap_left_bytes()
        if room < 0 and self._is_ours(used, kernel):
            self._end(self._group.limit_bytes, used, kernel)
        return room

    def _room_for_processes(self, kernel: tuple[int, ...]) -> float:
        now = time.monotonic()
        if self._given is None and now < self._summed_at + LOOK_SECONDS:
            return math.inf  # it is only about the peak
        self._summed_at = now
        enough = self._peak if self._given is None else min(self._peak, _most(self._given))
        held = memory_bytes((os.getpid(), *kernel), enough)
        self._peak = max(self._peak, held)
        if self._given is None:
            return math.inf
        room = _most(self._given) - held
        if room < 0:
            self._end(self._given, held, kernel)
        return room

    def _is_ours(self, used: int, kernel: tuple[int, ...]) -> bool:
        """Whether most of a group's memory is this run's: on a laptop the group may hold all of a desktop."""
        members = set(self._group.members()) if self._group else set()
        return memory_bytes(members - {os.getpid(), *kernel}, used) * 2 < used

    def _end(self, limit: int, used: int, kernel: tuple[int, ...]) -> None:
        if self._passed is not None or self._stopping.is_set() or not kernel:
            return
        self._peak = max(self._peak, used)
        self._passed = limit
        with suppress(ProcessLookupError):
            self._kill()

    def _watch(self) -> None:
        while not self._stopping.wait(self.look()) and self._passed is None:
            pass

    def _linux_killed(self) -> bool:
        return self._group is not None and self._group.kills() > self._kills_before


def _most(limit: int) -> int:
    """How much may be in use below a limit."""
    return limit - min(int(limit * MARGIN_SHARE), MARGIN_BYTES)


def _shown(size: int | None) -> str:
    return "unknown size" if size is None else f"{size / 2**20:.0f} MiB"


def to_be_killed_first(pid: int) -> None:
    """Lets Linux choose this process and what it starts, not the runner, when memory runs out (Linux only)."""
    with suppress(OSError):
        (PROCESSES / str(pid) / "oom_score_adj").write_text("1000")
