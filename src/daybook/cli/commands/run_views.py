"""How one run looks: on its way, at its end, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from daybook.cli.terminal import Terminal
from daybook.contract.manifest import CellCounts, DatabricksRecord, Manifest, State
from daybook.storage import Pin, RunRecord

if TYPE_CHECKING:
    from daybook.cli.airflow_api import DagRun

STYLES = {
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.INTERRUPTED: "yellow",
    State.LOST: "red",
    State.RUNNING: "cyan",
    State.QUEUED: "dim",
}
_SHOWN_OUTPUTS = 20
"""A table that Spark wrote may be hundreds of files; the page and --json have them all."""
_VALUE_CHARACTERS = 100
_TRACEBACK_LINES = 20


def place_of(url: str) -> str:
    """Where something lies, as one would open it: a path for a file, else its URL."""
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "file" else url


def run_document(manifest: Manifest, record: RunRecord, page: str | None, pin: Pin | None = None) -> dict[str, Any]:
    """A run as `--json` shows it: its manifest, its pin if it has one, and where everything lies."""
    files = {name: record.store.url_of(key) for name, key in manifest.files.model_dump().items() if key is not None}
    return {
        "run_id": manifest.run_id,
        "workspace": manifest.workspace,
        "state": str(manifest.state),
        "sealed": manifest.sealed,
        "page": page,
        "files": files,
        "outputs": [{**each.model_dump(), "url": record.store.url_of(each.key)} for each in manifest.outputs],
        "results": dict(manifest.results),
        "manifest": json.loads(manifest.model_dump_json()),
        **({"pin": pin.model_dump(mode="json")} if pin is not None else {}),
    }


def show_run(
    terminal: Terminal, manifest: Manifest, record: RunRecord, page: str | None, pin: Pin | None = None
) -> None:
    """A run for people: what became of it, what came out, and where it lies."""
    took = manifest.timings.duration_seconds
    head = f"{manifest.notebook.id} {manifest.state}" + (f" in {took:.1f} s" if took is not None else "")
    terminal.line(head, style=f"bold {STYLES[manifest.state]}")
    for name, value in _facts(manifest, record):
        terminal.line(f"  {name:<11} {value}")
    _show_outputs(terminal, manifest, record)
    if pin is not None:
        terminal.line(f"  {'pinned':<11} {_pinned(pin)}")
    if page is not None:
        terminal.line(f"  {'page':<11} {page}")
    _show_error(terminal, manifest)


def _facts(manifest: Manifest, record: RunRecord) -> Iterator[tuple[str, str]]:
    attempt = f" (attempt {manifest.attempt})" if manifest.attempt > 1 else ""
    yield "run", manifest.run_id + attempt
    yield "workspace", manifest.workspace
    if manifest.reason or manifest.message:
        yield "reason", ": ".join(str(each) for each in (manifest.reason, manifest.message) if each)
    if manifest.parameters:
        yield "parameters", ", ".join(f"{name}={_short(value)}" for name, value in manifest.parameters.items())
    if manifest.cells.total:
        yield "cells", _cells(manifest.cells)
    if manifest.databricks is not None:
        yield from _cluster(manifest.databricks)
    for name, value in manifest.results.items():
        yield "result", f"{name} = {_short(value)}"
    for name in ("notebook", "html", "log"):
        key = getattr(manifest.files, name)
        if key is not None:
            yield name, place_of(record.store.url_of(key))


def _cluster(record: DatabricksRecord) -> Iterator[tuple[str, str]]:
    runtime = f" (runtime {record.runtime_version})" if record.runtime_version else ""
    if record.cluster_id:
        yield "databricks", f"cluster {record.cluster_id}{runtime}"
    if record.driver_log:
        yield "driver log", record.driver_log


def _show_outputs(terminal: Terminal, manifest: Manifest, record: RunRecord) -> None:
    from rich.filesize import decimal

    for each in manifest.outputs[:_SHOWN_OUTPUTS]:
        terminal.line(f"  {'output':<11} {place_of(record.store.url_of(each.key))}  ({decimal(each.size)})")
    more = len(manifest.outputs) - _SHOWN_OUTPUTS
    if more > 0:
        terminal.line(f"  {'':<11} … and {more} more; --json and the page list them all")


def _show_error(terminal: Terminal, manifest: Manifest) -> None:
    error = manifest.error
    if error is None:
        return
    where = f"cell {error.cell}: " if error.cell is not None else ""
    terminal.line(f"\n{where}{error.name}: {error.value}", style="red")
    lines = error.traceback.rstrip().splitlines()
    if len(lines) > _TRACEBACK_LINES:
        terminal.line("  | … the notebook shows the whole traceback")
    for line in lines[-_TRACEBACK_LINES:]:
        terminal.line(f"  | {line}")


def _pinned(pin: Pin) -> str:
    said = [f"by {pin.by}" if pin.by else "", f"since {when(pin.at)}" if pin.at else "", pin.why or ""]
    return ", ".join(filter(None, said)) or "yes"


def _cells(cells: CellCounts) -> str:
    parts = [f"{cells.succeeded} of {cells.total} succeeded"]
    for name in ("failed", "interrupted", "skipped", "not_run"):
        count = getattr(cells, name)
        if count:
            parts.append(f"{count} {name.replace('_', ' ')}")
    return ", ".join(parts)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 1] + "…"


@contextmanager
def watching(terminal: Terminal) -> Iterator[Callable[[Manifest | None, DagRun | None], None]]:
    """How a run's way is shown: a bar by cells on a terminal, else a line whenever something changes."""
    if terminal.interactive:
        with _bar(terminal) as hear:
            yield hear
    else:
        yield _Lines(terminal)


@contextmanager
def _bar(terminal: Terminal) -> Iterator[Callable[[Manifest | None, DagRun | None], None]]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[cells]}"))
    with Progress(*columns, TimeElapsedColumn(), console=terminal.err, transient=True) as progress:
        task = progress.add_task("queued", total=None, cells="")

        def hear(manifest: Manifest | None, dag_run: DagRun | None) -> None:
            if manifest is None:
                progress.update(task, description=dag_run.state if dag_run else "waiting for Airflow")
                return
            cells = manifest.cells
            progress.update(
                task,
                description=_now(manifest),
                total=cells.total or None,
                completed=_done(cells),
                cells=f"{_done(cells)}/{cells.total} cells" if cells.total else "",
            )

        yield hear


class _Lines:
    """Says what has changed since the last look, one line each, for a log."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._last = ""

    def __call__(self, manifest: Manifest | None, dag_run: DagRun | None) -> None:
        if manifest is not None:
            text = _now(manifest)
            if manifest.state is State.RUNNING and manifest.cells.total:
                text += f", {_done(manifest.cells)} of {manifest.cells.total} cells done"
        else:
            text = f"Airflow: {dag_run.state}" if dag_run else "waiting for Airflow"
        if text != self._last:
            self._terminal.say(text)
            self._last = text


def _done(cells: CellCounts) -> int:
    return cells.succeeded + cells.failed + cells.interrupted + cells.skipped


def _now(manifest: Manifest) -> str:
    attempt = f" (attempt {manifest.attempt})" if manifest.attempt > 1 else ""
    return f"{manifest.state}{attempt}"


def when(moment: str | None) -> str:
    """An ISO 8601 moment in the reader's own time."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""
