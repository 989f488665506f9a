"""How `up` and `status` look."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from daybook.cli.stack import airflow
from daybook.cli.stack.launch import Watch
from daybook.cli.stack.project import Project
from daybook.cli.stack.status import ComponentState, ComponentStatus, StackStatus
from daybook.cli.stack.up import Outcome
from daybook.cli.terminal import Terminal

_STYLES = {
    ComponentState.UP: "green",
    ComponentState.NOT_READY: "yellow",
    ComponentState.CRASHED: "red",
    ComponentState.DOWN: "dim",
}


@contextmanager
def progress(terminal: Terminal) -> Iterator[Watch]:
    """What `up` tells while it works: lines, and on a terminal also what is awaited just now."""
    spinner = terminal.err.status("starting") if terminal.interactive else None
    awaited: dict[str, str] = {}
    lock = threading.Lock()  # components are waited for side by side

    def awaiting(name: str, what: str | None) -> None:
        with lock:
            if what is None:
                awaited.pop(name, None)
            else:
                awaited[name] = what
            if spinner is not None:
                spinner.update("waiting for " + ", ".join(f"{part} ({why})" for part, why in awaited.items()))

    def say(text: str) -> None:
        with lock:
            terminal.say(text)

    with spinner or nullcontext():
        yield Watch(say, awaiting)


def up_document(project: Project, outcome: Outcome) -> dict[str, Any]:
    """`daybook up --json`."""
    return {
        "api_url": airflow.api_url(outcome.ports),
        "user": airflow.ADMIN,
        "password_file": str(project.admin_password),
        "ports": asdict(outcome.ports),
        "started": list(outcome.started),
        "seconds": round(outcome.seconds, 3),
    }


def up_lines(project: Project, outcome: Outcome) -> Iterator[str]:
    """What a person needs to know after `daybook up`."""
    if outcome.started:
        yield f"The stack is up ({outcome.seconds:.1f} s)."
    else:
        yield "The stack was up already."
    yield f"  notebooks {airflow.api_url(outcome.ports)}/notebooks/"
    yield f"  Airflow   {airflow.api_url(outcome.ports)}"
    if outcome.new_password:
        user, password = airflow.admin(project)
        yield f"  sign in   {user} / {password}   (shown this once, kept in {project.admin_password})"
    else:
        yield f"  sign in   {airflow.ADMIN}, password in {project.admin_password}"
    yield f"  logs      {project.logs}"


def status_document(found: StackStatus) -> dict[str, Any]:
    """`daybook status --json`; memory is in bytes."""
    parts = [asdict(part) for part in found.components]
    return {"up": found.up, "api_url": found.api_url, "memory": found.memory, "components": parts}


def show_status(terminal: Terminal, found: StackStatus) -> None:
    """`daybook status`."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("component", "state", "pid", "memory", "address", "log"):
        table.add_column(title, justify="right" if title in ("pid", "memory") else "left", overflow="fold")
    for part in found.components:
        state = Text(_state(part), style=_STYLES[part.state])
        memory = _mebibytes(part.memory) if part.memory is not None else ""
        table.add_row(part.name, state, str(part.pid or ""), memory, part.url or "", _nearby(Path(part.log)))
    terminal.table(table)
    whole = "up" if found.up else "not up; `daybook up` starts what is missing"
    terminal.line(f"\nThe stack is {whole}. Memory together: {_mebibytes(found.memory)}.")


def _state(part: ComponentStatus) -> str:
    return f"{part.state} ({part.detail})" if part.detail else str(part.state)


def _nearby(path: Path) -> str:
    """A path as short as it can be pasted from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
