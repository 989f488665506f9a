"""What a command costs, with all the processes it starts: seconds, CPU seconds, bytes written, memory."""

import ctypes
import os
import re
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

STRAYS_SECONDS = 2.0
"""How long processes that the command left behind may go on; they are ended then, and count."""
_SAMPLE_SECONDS = 0.02
_SET_CHILD_SUBREAPER = 36
_PRCTL = ctypes.CDLL(None, use_errno=True).prctl


@dataclass(frozen=True)
class Cost:
    """Of one command.

    Attributes:
        seconds: by the clock on the wall, until the command itself had ended.
        cpu_seconds: user and system, of all its processes, those included that were killed or left behind.
        written_bytes: handed to `write` by all its processes, to files and pipes; not what goes through sockets.
        peak_mb: of the command's own process, not of the kernel it starts: the most memory it held at once.
        failure: the last line that a command which failed has said.
    """

    seconds: float
    cpu_seconds: float
    written_bytes: int
    peak_mb: float
    failure: str | None


def cost(command: Sequence[str], cwd: Path, variables: Mapping[str, str] | None = None) -> Cost:
    """Runs a command to its end.

    Linux alone tells all of this. A process whose parent has ended becomes a child of this one, so that none can
    slip away uncounted; one benchmark runs one command at a time.
    """
    # Without its compiled files Python takes three times as long to load a package: all would be measured but that.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if _PRCTL(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become the reaper of what the command leaves behind")
    others = {child.pid for child in psutil.Process().children()}
    before = _cpu_of_children()
    log = cwd / "command.log"
    began = time.perf_counter()
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**own, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        peak = _Peak(process.pid)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # as a zombie it still tells what it wrote
        seconds = time.perf_counter() - began
        written = _written_by(process.pid)
        code = process.wait()
    written += _reap_strays(others)
    failure = _failure(log, code) if code != 0 else None
    return Cost(seconds, _cpu_of_children() - before, written, peak.result(), failure)


def _failure(log: Path, code: int) -> str:
    """What a command said that may tell why it failed: the last line that names an error, else the last one."""
    lines = [line for line in log.read_text(errors="replace")[-20_000:].splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception)\b|error:|failed", line)]
    return (named or lines or [f"exit code {code}"])[-1].strip()[:200]


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _written_by(pid: int) -> int:
    """Of a process and of those children that it has waited for."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))


def _reap_strays(others: set[int]) -> int:
    """Waits for what the command left behind, ends what does not end; gives the bytes that it wrote."""
    written = 0
    deadline = time.monotonic() + STRAYS_SECONDS
    while strays := [child.pid for child in psutil.Process().children() if child.pid not in others]:
        for pid in strays:
            if time.monotonic() > deadline:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
                if ended is not None:
                    written += _written_by(pid)
                    os.waitpid(pid, 0)
        time.sleep(_SAMPLE_SECONDS)
    return written


class _Peak:
    """Watches how much memory a process holds; the system keeps the maximum, so looking often is enough."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._kilobytes = 0
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def result(self) -> float:
        """In MB, once the process has ended."""
        self._thread.join()
        return self._kilobytes / 1000

    def _work(self) -> None:
        with suppress(OSError):
            while True:
                lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
                found = next((line for line in lines if line.startswith("VmHWM:")), None)
                if found is None:
                    return  # it has ended
                # A process that becomes another program begins anew.
                self._kilobytes = max(self._kilobytes, int(found.split()[1]))
                time.sleep(_SAMPLE_SECONDS)
