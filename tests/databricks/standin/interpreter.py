"""The process of a context, as the API's side sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_DRIVER = Path(__file__).with_name("driver.py")
_DIED = {
    "resultType": "error",
    "summary": "Fatal error: The Python kernel is unresponsive.",
    "cause": "The Python process exited with an unknown exit code.",
}


class Interpreter:
    """A real process that runs the commands of one context, one at a time.

    When it dies under a command, or a command asks for a new one (`dbutils.library.restartPython()`, which ends well),
    the next command gets a new one, without the variables: so does the cluster's driver.

    Attributes:
        turn: held by the command that runs.
        language: what it speaks.
    """

    def __init__(self, home: Path, language: str) -> None:
        self.language = language
        self.turn = threading.Lock()
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def run(self, code: str, printed: Callable[[str], None]) -> dict[str, Any]:
        """Runs one command; `printed` is called with its output as it comes."""
        if self.language in ("scala", "r"):
            return {"resultType": "error", "summary": "not modelled", "cause": f"no {self.language} here"}
        with suppress(BrokenPipeError, ValueError):
            self._start()
            self._say.write(json.dumps({"code": code}) + "\n")
            self._say.flush()
            for line in self._hear:
                told = json.loads(line)
                if "printed" in told:
                    printed(told["printed"])
                    continue
                if told.get("restart"):
                    self._end()
                return dict(told["result"])
        self._end()
        return dict(_DIED)

    def interrupt(self) -> None:
        """As Ctrl-C would."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Ends it, at once."""
        self._closed = True
        process = self._process
        if process and process.poll() is None:
            process.kill()
        with self.turn:
            self._end()

    def _start(self) -> None:
        if self._closed:
            raise ValueError("closed")
        if self._process is not None:
            return
        for name in ("home", "tmp"):
            (self._home / name).mkdir(parents=True, exist_ok=True)
        to_read, self_write = os.pipe()
        self_read, to_write = os.pipe()
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self._home / "home"),
            "TMPDIR": str(self._home / "tmp"),
            "DATABRICKS_RUNTIME_VERSION": "16.4",
            "STAND_IN_WORKSPACE": str(self._home.parent / "workspace"),
        }
        command = [sys.executable, str(_DRIVER), str(to_read), str(to_write), self.language]
        # Nobody answers at its standard input, and nobody closes it: who asks there waits for ever.
        silent, self._never_written = os.pipe()
        self._process = subprocess.Popen(
            command,
            cwd=self._home,
            env=environment,
            stdin=silent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_read, to_write),
            start_new_session=True,
            # Between commands it cannot be interrupted; the driver lets it be while one runs.
            preexec_fn=_ignore_interrupts,
        )
        for each in (to_read, to_write, silent):
            os.close(each)
        self._say, self._hear = os.fdopen(self_write, "w"), os.fdopen(self_read)

    def _end(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for each in (self._say, self._hear):
            with suppress(OSError):
                each.close()
        os.close(self._never_written)
        self._process = None


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
