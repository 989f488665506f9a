"""`python -m daybook.on_airflow.start`: several of Airflow's commands out of one process that imports only once.

Airflow's imports cost each component seconds of processor time, and the DAG files' imports cost them again at every
parse and every task. Here they are done once; then the components are forked, each into a session of its own with a
log of its own, and run what `airflow <command>` runs. Whatever they fork in turn (parsers, tasks) has it all in memory.

It reads JSON lines from stdin, `{"name": …, "arguments": [...], "log": …}`, each a component to start now, and writes
JSON lines to stdout: `{"started": name, "pid": n}`, later `{"ended": name, "code": n}` (a negative code is a signal's
number). It stays until it is ended itself; that does not touch the components.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SHARED = ("airflow.__main__", "airflow.cli.commands.daemon_utils")
"""What every component needs."""

FOR_DAGS = (
    "airflow.cli.commands.scheduler_command",
    "airflow.cli.commands.triggerer_command",
    "airflow.cli.commands.dag_processor_command",
    "airflow.executors.local_executor",
    "airflow.sdk.execution_time.task_runner",
    "daybook.on_airflow.dags",
    "kubernetes_asyncio.client",
)
"""What the components that parse DAGs and run tasks and triggers need beyond that."""

WITHOUT_DAGS = ("api-server",)

_LOOK_SECONDS = 0.1
"""Between two looks whether a component has ended."""


def main() -> None:
    """Starts the components that stdin names, and tells of their ends."""
    gc.disable()  # a fifth of the time of such imports would go into looking for garbage that is not there
    _load(SHARED)
    running: dict[int, str] = {}
    open_ended = True
    while open_ended or running:
        ready, _, _ = select.select([sys.stdin] if open_ended else [], [], [], _LOOK_SECONDS)
        if ready:
            line = sys.stdin.readline()
            open_ended = bool(line)
            if line.strip():
                _start(json.loads(line), running)
        _tell_of_ends(running)


def _start(component: dict[str, Any], running: dict[int, str]) -> None:
    if component["arguments"][0] not in WITHOUT_DAGS:
        _load(FOR_DAGS)
    pid = _forked(component)
    running[pid] = component["name"]
    _tell({"started": component["name"], "pid": pid})


def _tell_of_ends(running: dict[int, str]) -> None:
    for pid in list(running):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            _tell({"ended": running.pop(pid), "code": os.waitstatus_to_exitcode(status)})


def _load(modules: Sequence[str]) -> None:
    """Imports ahead; a module that cannot be imported is left to whoever needs it, who then says so in its log."""
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:  # noqa: BLE001 - anything can happen in an import, and nothing here depends on it
            traceback.print_exc()


def _forked(component: dict[str, Any]) -> int:
    # Objects that live already are never garbage: left out, collections do not touch (and so copy) shared pages.
    gc.freeze()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        gc.enable()
        os.setsid()
        _redirect(Path(component["log"]))
        _become(component["arguments"])
    return pid


def _redirect(log: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(old, new)
    os.close(output)
    os.close(nothing)


def _become(arguments: Sequence[str]) -> None:
    """Runs an airflow command as if it had been typed; ends the process."""
    from airflow.__main__ import main as airflow
    from setproctitle import setproctitle

    setproctitle(f"airflow {' '.join(arguments)}")
    sys.argv = ["airflow", *arguments]
    airflow()  # type: ignore[no-untyped-call]
    sys.exit(0)


def _tell(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
