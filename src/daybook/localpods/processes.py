"""Finding and ending all processes of a container."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from daybook.localpods.limits import KILL_SECONDS
from daybook.localpods.record import ProcessId

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_KILL_PAUSE_SECONDS: Final = 0.01
_STARTTIME: Final = 19
"""Where the start time is in `/proc/<pid>/stat`, counted after the command's name."""


def identity(pid: int) -> ProcessId:
    """The process that has this number now.

    Raises:
        psutil.NoSuchProcess: none has.
    """
    return ProcessId(pid, _began(pid))


def _began(pid: int) -> float:
    """When a process began: on Linux since boot, which setting the clock does not change; elsewhere since the epoch."""
    if sys.platform != "linux":
        return float(psutil.Process(pid).create_time())
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(pid) from None
    return int(fields[_STARTTIME]) / os.sysconf("SC_CLK_TCK")


def is_alive(process: ProcessId) -> bool:
    """Whether this very process, not a later one of the same number, still runs."""
    try:
        return _is_same(process) and psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_same(process: ProcessId) -> bool:
    try:
        return _began(process.pid) == process.created
    except psutil.NoSuchProcess:
        return False


def become_subreaper() -> None:
    """Makes orphans below this process its own children, so that none escapes (Linux; nothing elsewhere)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def dying_with(parent: int) -> Callable[[], None]:
    """What a child calls before it becomes its command, so that SIGKILL of `parent` ends it too (Linux)."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None

    def prepare() -> None:
        if library is None:
            return
        library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # the parent went before the line above took effect
            os._exit(128 + signal.SIGKILL)

    return prepare


def below(root: int, session: int | None) -> list[psutil.Process]:
    """All processes that descend from `root`, and all of `session`, without `root` itself."""
    found: dict[int, psutil.Process] = {}
    with suppress(psutil.NoSuchProcess):
        found = {process.pid: process for process in psutil.Process(root).children(recursive=True)}
    if session is not None and sys.platform != "linux":
        found.update({process.pid: process for process in _of_session(session)})
    found.pop(root, None)
    return list(found.values())


def kill_until_gone(find: Callable[[], list[psutil.Process]], reap: Callable[[], None]) -> bool:
    """SIGKILLs what `find` finds until it finds nothing, since a process may fork while it is being killed.

    Returns:
        False when some were still there after `KILL_SECONDS`: they hang in the kernel.
    """
    give_up = time.monotonic() + KILL_SECONDS
    while True:
        living = [process for process in find() if _is_running(process)]
        for process in living:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process.kill()
        reap()
        if not living:
            return True
        if time.monotonic() > give_up:
            return False
        time.sleep(_KILL_PAUSE_SECONDS)


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kill_leftovers(child: ProcessId | None, home: str | None) -> None:
    """Ends what is left of a container whose shim is gone.

    Args:
        child: the container's first process; its session is ended, and what descends from that session.
        home: when given, also every process of this user that was started with this folder as HOME: that finds
            what moved into a session of its own, as Jupyter kernels do.
    """
    kill_until_gone(lambda: _leftovers(child, home), lambda: None)


def _leftovers(child: ProcessId | None, home: str | None) -> list[psutil.Process]:
    found: dict[int, psutil.Process] = {}
    # A session's number is not given away while any process is in it: a new leader means the old session is empty.
    if child is not None and (_is_same(child) or not psutil.pid_exists(child.pid)):
        found = {process.pid: process for process in _of_session(child.pid)}
    if home is not None:
        found.update({process.pid: process for process in psutil.process_iter() if _home(process) == home})
    for process in list(found.values()):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            found.update({kid.pid: kid for kid in process.children(recursive=True)})
    found.pop(os.getpid(), None)
    return list(found.values())


def _of_session(session: int) -> list[psutil.Process]:
    members = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == session:
                members.append(process)
    return members


def _home(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("HOME")
    except (psutil.Error, OSError):
        return None
