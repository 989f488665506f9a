"""localpods' end of the line to one shim.

Two named pipes lie in each container's folder. The shim is given its ends of them at birth and holds them for life:
`control` can be opened for writing exactly while the shim lives, and `report` ends when it dies. So there is no
moment in which a living shim looks dead, or a dead one alive, however often localpods itself is restarted.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from daybook.localpods.record import (
    CONTROL_PIPE,
    LOG_FILE,
    RECORD_FILE,
    REPORT_PIPE,
    SHIM_ERRORS_FILE,
    Cause,
    Launch,
    Record,
    read_record,
)

_READ_BYTES: Final = 64 * 1024
_ERROR_TAIL_BYTES: Final = 2000
_SHIM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"


class Pulse:
    """Wakes everyone who waits, as often as it beats."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def beat(self) -> None:
        """Wakes all that wait on `next()` now."""
        gone, self._next = self._next, asyncio.get_running_loop().create_future()
        if not gone.done():
            gone.set_result(None)

    def next(self) -> asyncio.Future[None]:
        """Done at the next beat. Take it before looking at what may have changed, then nothing is missed."""
        return asyncio.shield(self._next)


class ShimHandle:
    """A living shim, or one that has just ended.

    Attributes:
        folder: the container's folder.
        pulse: beats when log or record may have changed, and when the shim is gone.
        gone: whether the shim has ended.
    """

    def __init__(self, folder: Path, report: int, process: subprocess.Popen[bytes] | None) -> None:
        self.folder = folder
        self.pulse = Pulse()
        self.gone = False
        self._report = report
        self._process = process
        self._seen: tuple[int, int] | None = None
        self._record: Record | None = None
        asyncio.get_running_loop().add_reader(report, self._on_report)

    @property
    def log_file(self) -> Path:
        """Where the container's log lies."""
        return self.folder / LOG_FILE

    def record(self) -> Record | None:
        """What the shim has recorded so far; read again only when the file is another."""
        try:
            found = (self.folder / RECORD_FILE).stat()
        except FileNotFoundError:
            return None
        if (found.st_ino, found.st_mtime_ns) != self._seen:
            self._record = read_record(self.folder)
            self._seen = (found.st_ino, found.st_mtime_ns)
        return self._record

    def errors(self) -> str:
        """The end of what the shim itself complained about."""
        with suppress(FileNotFoundError):
            return (self.folder / SHIM_ERRORS_FILE).read_bytes()[-_ERROR_TAIL_BYTES:].decode(errors="replace").strip()
        return ""

    def stop(self, grace_seconds: float, cause: Cause) -> None:
        """Asks the shim to end the container; nothing happens when it is gone already."""
        control = _open_for_writing(self.folder / CONTROL_PIPE)
        if control is None:
            return
        with suppress(BrokenPipeError):
            os.write(control, json.dumps({"stop": grace_seconds, "cause": cause}).encode() + b"\n")
        os.close(control)

    async def reap(self) -> None:
        """Collects the shim's own exit when it is a child of this process. Call it when `gone`."""
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)

    def close(self) -> None:
        """Lets go of the shim without touching it; twice is fine."""
        if self._report >= 0:
            asyncio.get_running_loop().remove_reader(self._report)
            os.close(self._report)
            self._report = -1

    def _on_report(self) -> None:
        with suppress(BlockingIOError):
            if not os.read(self._report, _READ_BYTES):
                self.gone = True
                self.close()
        self.pulse.beat()


def start_shim(folder: Path, launch: Launch) -> ShimHandle:
    """Starts a container in an existing folder of its own.

    The shim gets nothing of this process's environment, and leads a session of its own, so that it lives on when
    this process is ended with its group.
    """
    for name in (CONTROL_PIPE, REPORT_PIPE):
        with suppress(FileExistsError):
            os.mkfifo(folder / name, 0o600)
    # Opened for both directions the shim's end of `control` never sees an end of file while localpods is away.
    control = os.open(folder / CONTROL_PIPE, os.O_RDWR | os.O_NONBLOCK)
    report = os.open(folder / REPORT_PIPE, os.O_RDONLY | os.O_NONBLOCK)
    report_end = os.open(folder / REPORT_PIPE, os.O_WRONLY | os.O_NONBLOCK)
    (folder / LOG_FILE).touch(0o600)
    errors = os.open(folder / SHIM_ERRORS_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    given = _unnamed_file(launch.to_json())
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "daybook.localpods.shim", str(folder), str(control), str(report_end)],
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(control, report_end),
            start_new_session=True,
            cwd=folder,
            env={"PATH": _SHIM_PATH},
        )
    finally:
        for descriptor in (control, report_end, errors, given):
            os.close(descriptor)
    return ShimHandle(folder, report, process)


def attach(folder: Path) -> ShimHandle | None:
    """The living shim of a container that an earlier localpods started; None when there is none."""
    control = _open_for_writing(folder / CONTROL_PIPE)
    if control is None:
        return None
    os.close(control)
    return ShimHandle(folder, os.open(folder / REPORT_PIPE, os.O_RDONLY | os.O_NONBLOCK), None)


def _open_for_writing(pipe: Path) -> int | None:
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as problem:
        if problem.errno == errno.ENXIO:  # nobody holds the other end
            return None
        raise


def _unnamed_file(content: bytes) -> int:
    """A descriptor to read `content` from: in memory where the system can, and under no name anywhere."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("launch")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
