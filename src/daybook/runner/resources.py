"""What an attempt took: memory, processor time, bytes read and written."""

from __future__ import annotations

import resource
import sys
import threading

from daybook.contract.manifest import ResourceUse
from daybook.runner.memory import MemoryGuard


class ResourceMeter:
    """Counts what passes the runner, and asks the system for the rest. Any thread may count.

    Processor time is that of the runner and of all processes it has waited for, with all that those waited for: ask
    after the kernel was reaped. What a kernel starts and does not wait for before its own end is missed, and so is
    what runs elsewhere: Spark's executors.

    The peak of memory is the most that the guard saw at one look, or the most that a single process of those ever
    held, if that is more: a short peak of several processes between two looks is missed. The group's own high-water
    mark is not used, since it counts every page of a file that was read or written.
    """

    def __init__(self, guard: MemoryGuard | None = None) -> None:
        self._guard = guard
        self._read = 0
        self._written = 0
        self._lock = threading.Lock()

    def watched_by(self, guard: MemoryGuard) -> None:
        """From now on the guard tells limit and peak."""
        self._guard = guard

    def read(self, size: int) -> None:
        """The runner has read so many bytes from outside."""
        with self._lock:
            self._read += size

    def wrote(self, size: int) -> None:
        """The runner has written so many bytes to the bucket."""
        with self._lock:
            self._written += size

    def use(self) -> ResourceUse:
        """What was taken by now."""
        own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        seen = (self._guard.peak_bytes if self._guard else None) or 0
        return ResourceUse(
            peak_memory_bytes=max(seen, own.ru_maxrss * _MAXRSS_UNIT, others.ru_maxrss * _MAXRSS_UNIT) or None,
            memory_limit_bytes=self._guard.limit_bytes if self._guard else None,
            cpu_seconds=round(own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime, 3),
            bytes_in=self._read,
            bytes_out=self._written,
        )


_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of `ru_maxrss`."""
