"""Starting Airflow's components through `daybook.on_airflow.start`, which imports Airflow once for all of them."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from daybook.cli.stack.components import Component
from daybook.cli.stack.files import PRIVATE
from daybook.cli.stack.processes import ProcessRecord, kept_log
from daybook.cli.stack.project import Project
from daybook.contract.errors import InfrastructureFailed

NAME = "airflow-launcher"
_MODULE = "daybook.on_airflow.start"


class AirflowLauncher:
    """One launcher; use it with `with`: leaving ends the launcher, not what it started.

    Args:
        python: of Airflow's environment.
    """

    def __init__(self, project: Project, python: Path, environment: Mapping[str, str]) -> None:
        self._project = project
        self.log = project.logs / f"{NAME}.log"
        self._pids: dict[str, int] = {}
        self._codes: dict[str, int] = {}
        self._silent = False
        self._heard = threading.Condition()
        kept_log(self.log)
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)
        with os.fdopen(descriptor, "wb") as output:
            self._process = subprocess.Popen(
                (str(python), "-m", _MODULE),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=dict(environment),
                cwd=project.state,
                start_new_session=True,
            )
        self._stdin = cast("IO[bytes]", self._process.stdin)
        self._stdout = cast("IO[bytes]", self._process.stdout)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the launcher; twice is fine."""
        self._process.kill()
        self._process.wait()
        self._listener.join()  # the pipe has ended with the launcher: components have none of its ends
        with suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()

    def start(self, part: Component) -> ProcessRecord:
        """Starts a component, and keeps its record.

        Raises:
            InfrastructureFailed: the launcher itself has ended.
        """
        kept_log(part.log)
        wanted = {"name": part.name, "arguments": part.arguments, "log": str(part.log)}
        self._say(json.dumps(wanted).encode() + b"\n")
        with self._heard:
            self._heard.wait_for(lambda: part.name in self._pids or self._silent)
        if part.name not in self._pids:
            raise InfrastructureFailed(
                f"Airflow cannot be started: its launcher ended with exit code {self._process.wait()}; "
                f"its log is {self.log}"
            )
        return part.record(self._project, self._pids[part.name])

    def exit_code(self, name: str) -> int | None:
        """How a component ended, as `subprocess` tells it; None while it runs."""
        return self._codes.get(name)

    def _say(self, line: bytes) -> None:
        with suppress(BrokenPipeError):  # the launcher has ended, which the listener notices too
            self._stdin.write(line)
            self._stdin.flush()

    def _listen(self) -> None:
        for line in self._stdout:
            event: dict[str, Any] = json.loads(line)
            with self._heard:
                if "started" in event:
                    self._pids[event["started"]] = event["pid"]
                else:
                    self._codes[event["ended"]] = event["code"]
                self._heard.notify_all()
        with self._heard:
            self._silent = True
            self._heard.notify_all()
