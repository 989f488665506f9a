"""The kernel's process: started before the libraries that will talk to it are loaded, ended with all it started."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from threading import Thread
from types import TracebackType
from typing import Any, Self

from daybook.contract.errors import KernelUnavailable
from daybook.contract.variables import RESULTS_VARIABLE
from daybook.runner.head_start import HeadStart
from daybook.runner.kernels import KernelSpec
from daybook.runner.processes import to_be_killed_first

LOOPBACK = "127.0.0.1"
_CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
_SOCKET_PATH_CHARACTERS = 100
"""Unix sockets take at most 107 bytes of path; the rest is for the channel's number."""
_KILLED_WAIT_SECONDS = 10.0
_LOG_TAIL_CHARACTERS = 600


@dataclass(frozen=True)
class KernelPlace:
    """Where a kernel runs.

    Attributes:
        folder: its current folder.
        environment: all of its variables.
        log: the file that takes what its process prints outside of cells.
    """

    folder: Path
    environment: Mapping[str, str]
    log: Path


class KernelProcess:
    """A kernel in a session and process group of its own.

    Talks over Unix sockets in a private folder where paths are short enough, else over loopback; either way messages
    are signed with a key of this run.
    """

    def __init__(self, spec: KernelSpec, place: KernelPlace, head_start: HeadStart | None = None) -> None:
        """Starts it.

        Args:
            spec: which kernel.
            place: where it runs.
            head_start: a process that may have become this kernel sooner; it is used up.

        Raises:
            KernelUnavailable: it cannot be started.
        """
        self.spec = spec
        self.place = place
        self._mark = f"{RESULTS_VARIABLE}={place.environment.get(RESULTS_VARIABLE)}"
        self._private = Path(tempfile.mkdtemp(prefix="dbk-", dir=_short_folder(place.log.parent)))
        self.connection = _connection(self._private, spec.name)
        file = self._private / "kernel.json"
        file.write_text(json.dumps(self.connection))
        place.log.touch()
        command, environment = _command(spec, file), _environment(spec, place.environment)
        self._process = self._become(head_start, command, environment) or self._start(command, environment)
        to_be_killed_first(self._process.pid)

    def _become(
        self, head_start: HeadStart | None, command: list[str], environment: dict[str, str]
    ) -> subprocess.Popen[bytes] | None:
        if head_start is None:
            return None
        with head_start:
            # What a kernel wants of its environment, it may want from its very start.
            process = None
            if not self.spec.environment:
                process = head_start.become(command, self.place.folder, environment, self.place.log)
        if process is not None:
            self._mark = head_start.mark
        return process

    def _start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        try:
            with self.place.log.open("ab") as log:
                return subprocess.Popen(
                    command,
                    cwd=self.place.folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            shutil.rmtree(self._private, ignore_errors=True)
            message = f"kernel {self.spec.name!r} cannot start: {command[0]}: {error.strerror or error}"
            raise KernelUnavailable(message) from error

    @property
    def pid(self) -> int:
        """The kernel's process, which leads its session and group."""
        return self._process.pid

    def watch(self, died: Callable[[], None]) -> None:
        """Has `died` called, in another thread, as soon as the process ends."""

        def wait() -> None:
            with suppress(ChildProcessError):
                # Without reaping it, so that its number is nobody else's until `stop`.
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            died()

        Thread(target=wait, name="kernel-watch", daemon=True).start()

    def interrupt(self) -> None:
        """SIGINT to the kernel's group, as Ctrl-C would send it; a kernel that has ended is left alone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGINT)

    def terminate(self) -> None:
        """SIGTERM to the kernel alone: it ends soon, and in order."""
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the kernel's group, at once; `stop` still has to be called."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def stop(self) -> int:
        """Ends the kernel and everything it started; calling it again is fine.

        Returns:
            How the kernel's process ended: its exit code, or minus the signal that ended it.
        """
        self.kill()
        try:
            code = self._process.wait(_KILLED_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL  # it is stuck in the system, which ends it when it can
        _kill_strays(self._mark, self._process.pid)
        shutil.rmtree(self._private, ignore_errors=True)
        return code

    def exit_code(self) -> int | None:
        """How the process ended; None while it lives."""
        return self._process.poll()

    def said(self) -> str:
        """The tail of what the process itself printed, on one line."""
        with suppress(OSError):
            return " ".join(self.place.log.read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:].split())
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def how_it_ended(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "stopped answering"
    if code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"
    return f"ended with exit code {code}"


def _kill_strays(mark: str, session: int) -> None:
    """Ends what the kernel left behind, found by its session or, gone from there, by the run's own variable."""
    import psutil

    for pid in psutil.pids():
        with suppress(psutil.Error, OSError):
            if pid != os.getpid() and (os.getsid(pid) == session or mark in _environment_of(pid)):
                os.kill(pid, signal.SIGKILL)


def _environment_of(pid: int) -> set[str]:
    if sys.platform == "linux":
        data = Path(f"/proc/{pid}/environ").read_bytes()
        return {part.decode(errors="replace") for part in data.split(b"\0")}
    import psutil

    return {f"{name}={value}" for name, value in psutil.Process(pid).environ().items()}


def _short_folder(otherwise: Path) -> str:
    """Where the private folder goes: among temporary files, by a path that is short enough for sockets."""
    try:
        usual = tempfile.gettempdir()
    except FileNotFoundError:  # a container whose file system is read-only but for its volumes
        return str(otherwise)
    return "/tmp" if len(usual) > _SOCKET_PATH_CHARACTERS // 2 and os.access("/tmp", os.W_OK) else usual  # noqa: S108


def _connection(private: Path, kernel_name: str) -> dict[str, Any]:
    base = str(private / "k")
    common = {
        "key": secrets.token_hex(32),
        "signature_scheme": "hmac-sha256",
        "kernel_name": kernel_name,
    }
    if len(os.fsencode(base)) <= _SOCKET_PATH_CHARACTERS and sys.platform != "win32":
        ports = {f"{channel}_port": number for number, channel in enumerate(_CHANNELS, start=1)}
        return {**common, "transport": "ipc", "ip": base, **ports}
    return {**common, "transport": "tcp", "ip": LOOPBACK, **_free_ports()}


def _free_ports() -> dict[str, int]:
    probes = [socket.socket() for _ in _CHANNELS]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        ports = (probe.getsockname()[1] for probe in probes)
        return {f"{channel}_port": port for channel, port in zip(_CHANNELS, ports, strict=True)}
    finally:
        for probe in probes:
            probe.close()


def _environment(spec: KernelSpec, given: Mapping[str, str]) -> dict[str, str]:
    wanted = {name: Template(value).safe_substitute(given) for name, value in spec.environment.items()}
    # Kernels that know this variable end by themselves once their parent is gone, so that SIGKILL leaves none behind.
    # The debugger's warning at its start would come between the first cell's standard output and error.
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    return {**quiet, **given, "JPY_PARENT_PID": str(os.getpid()), **wanted}


def _command(spec: KernelSpec, connection_file: Path) -> list[str]:
    values = {
        "{connection_file}": str(connection_file),
        "{resource_dir}": str(spec.folder or ""),
        "{prefix}": sys.prefix,
    }
    command = []
    for part in spec.argv:
        for place, value in values.items():
            part = part.replace(place, value)
        command.append(part)
    if command[0] in ("python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}"):
        # As Jupyter does: the environment this runs in, whatever PATH says.
        command[0] = sys.executable
    if any("ipykernel" in part for part in command):
        command.append("--HistoryManager.hist_file=:memory:")
    return command
