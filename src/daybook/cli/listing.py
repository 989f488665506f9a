"""Listing runs across workspaces, newest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from daybook.cli.settings import Settings
from daybook.cli.terminal import Terminal
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.manifest import Manifest, State
from daybook.storage import Store, UnreadableManifest, pin_of, record_of, run_ids


@dataclass(frozen=True)
class Wanted:
    """Which runs are asked for; None wants all."""

    workspace: str | None
    state: State | None
    notebook: str | None

    @classmethod
    def checked(cls, workspace: str | None, state: str | None, notebook: str | None) -> Self:
        """From what was typed.

        Raises:
            InvalidRequest: there is no such state.
        """
        try:
            return cls(workspace, State(state) if state else None, notebook)
        except ValueError as error:
            names = ", ".join(State)
            raise InvalidRequest("cannot list runs", [Fault("--state", f"must be one of {names}")]) from error

    def fits(self, manifest: Manifest) -> bool:
        """Whether a run is wanted."""
        return (self.state is None or manifest.state is self.state) and (
            self.notebook is None or manifest.notebook.id == self.notebook
        )


@dataclass(frozen=True)
class Unreadable:
    """A run whose record is no manifest that this Daybook reads; it harms no other."""

    run_id: str
    workspace: str
    fault: str


def list_runs(settings: Settings, wanted: Wanted, limit: int) -> list[Manifest | Unreadable]:
    """The newest wanted runs of all workspaces, newest first, with the unreadable ones that lie between them.

    Args:
        limit: how many readable runs.

    Raises:
        InvalidRequest: there is no such workspace.
        StoreFailed: a workspace's bucket does not answer.
    """
    workspaces = settings.load_workspaces()
    chosen = [workspaces.get(wanted.workspace)] if wanted.workspace else list(workspaces)
    places = [_ids(workspace.name, settings.open_bucket(workspace)) for workspace in chosen]
    # A run id begins with its moment, so the newest of all is the greatest; only what is shown is read.
    merged = heapq.merge(*places, key=lambda place: place[0], reverse=True)
    return list(_limited((found for place in merged if (found := _read(*place)) is not None), wanted, limit))


def _ids(workspace: str, bucket: Store) -> Iterator[tuple[str, str, Store]]:
    return ((run, workspace, bucket) for run in run_ids(bucket))


def _read(run: str, workspace: str, bucket: Store) -> Manifest | Unreadable | None:
    try:
        return record_of(bucket, run).read()
    except UnreadableManifest as error:
        return Unreadable(run, workspace, str(error))


def _limited(runs: Iterable[Manifest | Unreadable], wanted: Wanted, limit: int) -> Iterator[Manifest | Unreadable]:
    left = limit
    for run in runs:
        if isinstance(run, Unreadable):
            yield run
        elif wanted.fits(run):
            yield run
            left -= 1
            if left == 0:
                return


def list_document(found: list[Manifest | Unreadable]) -> dict[str, Any]:
    """Runs as `--json` shows them: manifests, and for an unreadable one its fault."""
    return {"runs": [asdict(run) if isinstance(run, Unreadable) else run.model_dump(mode="json") for run in found]}


def pinned_among(settings: Settings, found: list[Manifest | Unreadable]) -> frozenset[str]:
    """Which of the listed runs are pinned.

    Raises:
        StoreFailed: a workspace's bucket does not answer.
    """
    workspaces = settings.load_workspaces()
    buckets = {name: settings.open_bucket(workspaces.get(name)) for name in {each.workspace for each in found}}
    return frozenset(
        each.run_id for each in found if pin_of(record_of(buckets[each.workspace], each.run_id)) is not None
    )


def show_list(terminal: Terminal, found: list[Manifest | Unreadable], pinned: frozenset[str] = frozenset()) -> None:
    """Runs for people: a warning for each that cannot be read, and a table of the others, with their pins."""
    for run in found:
        if isinstance(run, Unreadable):
            terminal.say(f"warning: run {run.run_id} in workspace {run.workspace}: {run.fault}")
    show_runs(terminal, [run for run in found if isinstance(run, Manifest)], pinned)


def show_runs(terminal: Terminal, found: list[Manifest], pinned: frozenset[str] = frozenset()) -> None:
    """Runs as a table."""
    from rich.table import Table
    from rich.text import Text

    from daybook.cli.commands.run_views import STYLES, when

    if not found:
        terminal.line("There are no such runs.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("run", "state", "asked for", "took", "workspace", "user", *(["pinned"] if pinned else [])):
        table.add_column(title, no_wrap=True, justify="right" if title == "took" else "left")
    for each in found:
        took = each.timings.duration_seconds
        table.add_row(
            each.run_id,
            Text(str(each.state), style=STYLES[each.state]),
            when(each.timings.queued_at or each.timings.started_at),
            f"{took:.1f} s" if took is not None else "",
            each.workspace,
            each.user or "",
            *([("pinned" if each.run_id in pinned else "")] if pinned else []),
        )
    terminal.table(table)
