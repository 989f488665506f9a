"""The process that watches over one container, as containerd's shim does.

    python -I -m daybook.localpods.shim FOLDER CONTROL REPORT < launch

It starts the container's command in a session of its own, keeps its log, holds it to its memory limit and deadline,
ends it when told to, and leaves a record of how it ended. It needs nobody: localpods may end and come back.

CONTROL and REPORT are descriptors of the named pipes in FOLDER. localpods writes `{"stop": seconds, "cause": …}`
lines into the first; the shim writes one byte into the second whenever the log or the record has changed. The shim
holds both for as long as it lives, so the state of the pipes tells localpods, without a race, whether it does.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from daybook.contract.processes import memory_bytes, with_descendants
from daybook.localpods.limits import DRAIN_SECONDS, MEMORY_POLL_SECONDS
from daybook.localpods.logs import LogWriter
from daybook.localpods.processes import become_subreaper, below, dying_with, identity, kill_until_gone
from daybook.localpods.record import LOG_FILE, Cause, Ending, Launch, Record, write_record

_SIGNAL_EXIT_BASE: Final = 128
_START_FAILED: Final = 128
"""Exit code of a container whose command could not be started: what containerd reports."""
_READ_BYTES: Final = 64 * 1024


class Shim:
    """Runs one container from start to record."""

    def __init__(self, folder: Path, launch: Launch, control: int, report: int, woken: int) -> None:
        self._folder = folder
        self._launch = launch
        self._control = control
        self._report = report
        self._woken = woken
        self._commands = b""
        self._log = LogWriter(folder / LOG_FILE)
        self._record = Record(shim=identity(os.getpid()))
        self._cause: Cause = "exited"
        self._message = ""
        self._kill_at: float | None = None
        self._measure_at = 0.0
        self._wait_status: int | None = None
        self._pid = 0

    def run(self) -> None:
        """Starts the command and returns when it, and all it started, is gone and recorded."""
        write_record(self._folder, self._record)
        try:
            output = self._start()
        except (OSError, ValueError, subprocess.SubprocessError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else problem
            return self._end(_START_FAILED, "start_error", f"cannot start {self._launch.argv[0]!r}: {reason}")
        self._watch(output)
        self._drain(output)
        return self._end(_exit_code(self._wait_status), self._cause, self._message)

    def _start(self) -> int:
        output, write_end = os.pipe()
        os.set_blocking(output, False)
        try:
            child = subprocess.Popen(
                self._launch.argv,
                env=self._launch.env,
                cwd=self._launch.cwd,
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
                preexec_fn=dying_with(os.getpid()),
            )
        finally:
            os.close(write_end)
        child.returncode = 0  # reaped below together with the orphans, not by Popen
        self._pid = child.pid
        self._record = Record(self._record.shim, identity(child.pid), time.time())
        write_record(self._folder, self._record)
        self._tell()
        return output

    def _watch(self, output: int) -> None:
        """Handles whatever happens until the container's first process has ended."""
        with selectors.DefaultSelector() as selector:
            for descriptor in (output, self._control, self._woken):
                selector.register(descriptor, selectors.EVENT_READ)
            while self._wait_status is None:
                for key, _ in selector.select(self._until_next_check()):
                    if key.fd == output and not self._take_output(output):
                        selector.unregister(output)
                    elif key.fd == self._control:
                        self._take_commands()
                    elif key.fd == self._woken:
                        self._take_signals()
                self._check()

    def _until_next_check(self) -> float | None:
        now = time.monotonic()
        waits = [] if self._kill_at is None else [self._kill_at - now]
        if self._launch.memory_limit_bytes is not None:
            waits.append(self._measure_at - now)
        if self._launch.deadline is not None and self._cause == "exited":
            waits.append(self._launch.deadline - time.time())
        return max(0.0, min(waits)) if waits else None

    def _check(self) -> None:
        now = time.monotonic()
        limit = self._launch.memory_limit_bytes
        if limit is not None and now >= self._measure_at:
            self._measure_at = now + MEMORY_POLL_SECONDS
            # Not `_tree`, which looks at every process of the machine: a hundred shims do this all the time.
            if memory_bytes(with_descendants(os.getpid())[1:], limit) > limit:
                self._cause, self._message = "oom", f"the container's processes used more than {limit} bytes of memory"
                self._kill()
        deadline = self._launch.deadline
        if deadline is not None and self._cause == "exited" and time.time() >= deadline:
            self._stop(self._launch.grace_seconds, "deadline")
        if self._kill_at is not None and now >= self._kill_at:
            self._kill()

    def _take_output(self, output: int) -> bool:
        """Moves output into the log; False when nobody can write any more."""
        try:
            data = os.read(output, _READ_BYTES)
        except BlockingIOError:
            return True
        if data:
            self._log.feed(data)
            self._tell()
        return bool(data)

    def _take_commands(self) -> None:
        with suppress(BlockingIOError):
            self._commands += os.read(self._control, _READ_BYTES)
        *lines, self._commands = self._commands.split(b"\n")
        for line in lines:
            command = json.loads(line)
            self._stop(float(command["stop"]), command["cause"])

    def _take_signals(self) -> None:
        received = os.read(self._woken, _READ_BYTES)
        if signal.SIGTERM in received or signal.SIGINT in received:
            self._stop(self._launch.grace_seconds, "stopped")
        self._reap()

    def _stop(self, grace_seconds: float, cause: Cause) -> None:
        """SIGTERM now, SIGKILL after the grace; asked again, the time can only get shorter."""
        kill_at = time.monotonic() + grace_seconds
        if self._kill_at is None:
            self._cause = cause
            with suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGTERM)
        self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)

    def _tree(self) -> list[psutil.Process]:
        return below(os.getpid(), self._pid)

    def _kill(self) -> None:
        self._kill_at = None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        if not kill_until_gone(self._tree, self._reap):
            self._message = f"{self._message}; some processes could not be killed".removeprefix("; ")

    def _reap(self) -> None:
        """Collects every child that has ended, the container's first process and adopted orphans alike."""
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self._pid:
                    self._wait_status = found[1]

    def _drain(self, output: int) -> None:
        """Ends what the first process left behind, as the end of a container does, and takes the last output."""
        self._kill()
        give_up = time.monotonic() + DRAIN_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while (left := give_up - time.monotonic()) > 0:
                if selector.select(left) and not self._take_output(output):
                    break

    def _end(self, exit_code: int, cause: Cause, message: str) -> None:
        self._log.close()
        ending = Ending(exit_code, cause, time.time(), message, self._log.tail())
        started_at = self._record.started_at
        write_record(self._folder, Record(self._record.shim, self._record.child, started_at, ending))
        self._tell()

    def _tell(self) -> None:
        # Nobody listens while localpods is away; a full pipe means that it is about to look anyway.
        with suppress(BrokenPipeError, BlockingIOError):
            os.write(self._report, b".")


def _wakeup_on(*signals: signal.Signals) -> int:
    """A descriptor from which the numbers of received signals can be read."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for one in signals:
        signal.signal(one, lambda *_: None)
    return woken


def _exit_code(wait_status: int | None) -> int:
    code = os.waitstatus_to_exitcode(wait_status or 0)
    return code if code >= 0 else _SIGNAL_EXIT_BASE - code


def main(arguments: list[str]) -> None:
    """Entry point: see the module's text for the arguments."""
    folder, control, report = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    for descriptor in (control, report):
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)
    become_subreaper()
    # A handler, not SIG_IGN: the container's command would inherit that.
    woken = _wakeup_on(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    Shim(folder, Launch.from_json(sys.stdin.buffer.read()), control, report, woken).run()


if __name__ == "__main__":
    main(sys.argv[1:])
