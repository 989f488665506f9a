from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from daybook.runner.memory import MemoryGuard
from daybook.runner.resources import ResourceMeter

MIB = 2**20
BURN = "import time\nwhile time.process_time() < 0.3: pass\nheld = bytearray(b'x') * (60 * 2**20)"


def test_bytes_are_counted_from_any_thread() -> None:
    meter = ResourceMeter()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(100):
            pool.submit(meter.read, 3)
            pool.submit(meter.wrote, 5)

    used = meter.use()

    assert (used.bytes_in, used.bytes_out) == (300, 500)


def test_time_of_processes_that_were_waited_for_counts() -> None:
    before = ResourceMeter().use().cpu_seconds
    subprocess.run([sys.executable, "-c", BURN], check=True)

    after = ResourceMeter().use().cpu_seconds

    assert before is not None
    assert after is not None
    assert after - before >= 0.3


def test_the_peak_of_a_process_that_nobody_looked_at_counts() -> None:
    subprocess.run([sys.executable, "-c", BURN], check=True)

    used = ResourceMeter().use()

    assert used.peak_memory_bytes is not None
    assert used.peak_memory_bytes > 60 * MIB
    assert used.memory_limit_bytes is None


def test_limit_and_peak_are_the_guards() -> None:
    guard = MemoryGuard(2**50, tuple, lambda: None)
    guard._peak = 2**45  # more than this machine can have

    meter = ResourceMeter()
    meter.watched_by(guard)

    assert (meter.use().peak_memory_bytes, meter.use().memory_limit_bytes) == (2**45, 2**50)
