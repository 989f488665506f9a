"""Starting, recognising and ending the stack's processes: each component leads a session of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from pydantic import ValidationError

from daybook.cli.stack.files import PRIVATE, write_private
from daybook.contract.request import Frozen

STACK_VARIABLE = "DAYBOOK_STACK"
"""In the environment of every process of the stack: the state folder it belongs to."""

_SAME_START_SECONDS = 1.0  # the system counts a process's start in hundredths of a second from boot
_POLL_SECONDS = 0.05
_KILLED_SECONDS = 5.0
"""How long the system may take to end a process that got SIGKILL."""


class ProcessRecord(Frozen):
    """What `up` keeps of a component it started.

    Attributes:
        created: when the process began, as the system tells; with the pid it names one process for ever.
        started_at: the same for people, ISO 8601, UTC.
    """

    component: str
    pid: int
    created: float
    started_at: str
    command: tuple[str, ...]
    log: str
    port: int | None = None
    url: str | None = None


def start(command: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path) -> subprocess.Popen[bytes]:
    """Starts a command in a session of its own, its output in a log file; the log before is kept as `<log>.1`."""
    kept_log(log)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)
    with os.fdopen(descriptor, "wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
        )


def kept_log(log: Path) -> None:
    """Puts the log of the last start aside, as `<log>.1`."""
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))


def write_record(folder: Path, record: ProcessRecord) -> None:
    """Keeps a component's record."""
    write_private(folder / f"{record.component}.json", record.model_dump_json(indent=2) + "\n")


def read_record(folder: Path, component: str) -> ProcessRecord | None:
    """A component's record; None when there is none or the file was cut short by a crash."""
    try:
        return ProcessRecord.model_validate_json((folder / f"{component}.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def delete_record(folder: Path, component: str) -> None:
    """Forgets a component."""
    (folder / f"{component}.json").unlink(missing_ok=True)


def process_of(record: ProcessRecord, state: Path) -> psutil.Process | None:
    """The living process of a record; None when it has ended, also when its pid serves another process by now."""
    try:
        process = psutil.Process(record.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        # A stepped clock moves the start times that the system reports; the mark in the environment does not move.
        same = abs(process.create_time() - record.created) <= _SAME_START_SECONDS or _marked(process, state)
    except psutil.Error:
        return None
    return process if same else None


def marked(state: Path) -> list[psutil.Process]:
    """The living processes that carry the stack's mark; this one never counts."""
    own = os.getpid()
    return [each for each in psutil.process_iter() if each.pid != own and _marked(each, state) and _alive(each)]


def family(process: psutil.Process) -> list[psutil.Process]:
    """A component's own process, its descendants, and what shares its session."""
    found = {each.pid: each for each in session_members(process.pid)}
    with suppress(psutil.Error):
        found |= {each.pid: each for each in (process, *process.children(recursive=True))}
    return list(found.values())


def session_members(session: int) -> list[psutil.Process]:
    """The living processes of one session."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Memory of processes together; pages they share are divided among them where the system tells that."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += _memory(process)
    return total


def _memory(process: psutil.Process) -> int:
    full = process.memory_full_info()
    return int(getattr(full, "pss", full.uss))


def terminate(processes: Iterable[psutil.Process], number: signal.Signals = signal.SIGTERM) -> None:
    """Sends a signal to each process that is still there."""
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)


def end(processes: Sequence[psutil.Process], grace_seconds: float) -> list[psutil.Process]:
    """Ends processes: SIGTERM, and SIGKILL for those still there after the grace.

    Returns:
        Those that had to be killed.
    """
    terminate(processes)
    stubborn = gone_or_left(processes, grace_seconds)
    terminate(stubborn, signal.SIGKILL)
    gone_or_left(stubborn, _KILLED_SECONDS)
    return stubborn


def gone_or_left(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Waits until the processes have ended; gives those that have not after `seconds`."""
    until = time.monotonic() + seconds
    left = [process for process in processes if _alive(process)]
    while left and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        left = [process for process in left if _alive(process)]
    return left


def _alive(process: psutil.Process) -> bool:
    # A zombie has ended; only its parent has not looked yet, and in a container nobody may ever look.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _marked(process: psutil.Process, state: Path) -> bool:
    try:
        return process.environ().get(STACK_VARIABLE) == str(state)
    except psutil.Error:
        return False
