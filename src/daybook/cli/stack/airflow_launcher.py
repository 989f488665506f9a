"""Starting Airflow's components through `daybook.on_airflow.start`, which imports Airflow once for all of them."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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
        self._codes: dict[str, int] = {}
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the launcher; twice is fine."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def start(self, parts: Sequence[Component]) -> Iterator[tuple[Component, ProcessRecord]]:
        """Starts components; gives each with its record as soon as it runs.

        Raises:
            InfrastructureFailed: the launcher itself ended.
        """
        for part in parts:
            kept_log(part.log)
        wanted = [{"name": part.name, "arguments": part.arguments, "log": str(part.log)} for part in parts]
        self._say(json.dumps(wanted).encode())
        waiting = {part.name: part for part in parts}
        while waiting:
            event = self._next()
            if event is None:
                raise InfrastructureFailed(
                    f"Airflow cannot be started: its launcher ended with exit code {self._process.wait()}; "
                    f"its log is {self.log}"
                )
            if "started" in event:
                part = waiting.pop(event["started"])
                yield part, part.record(self._project, event["pid"])
            else:
                self._codes[event["ended"]] = event["code"]
        threading.Thread(target=self._listen, daemon=True).start()

    def exit_code(self, name: str) -> int | None:
        """How a component ended, as `subprocess` tells it; None while it runs."""
        return self._codes.get(name)

    def _say(self, document: bytes) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(document)
            self._process.stdin.close()

    def _next(self) -> dict[str, Any] | None:
        line = self._process.stdout.readline() if self._process.stdout is not None else b""
        event: dict[str, Any] | None = json.loads(line) if line.strip() else None
        return event

    def _listen(self) -> None:
        while (event := self._next()) is not None:
            if "ended" in event:
                self._codes[event["ended"]] = event["code"]
