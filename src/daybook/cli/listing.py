"""Listing runs across workspaces, newest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Self

from daybook.cli.settings import Settings
from daybook.cli.terminal import Terminal
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.manifest import Manifest, State
from daybook.storage import Store, record_of, run_ids


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


def list_runs(settings: Settings, wanted: Wanted, limit: int) -> list[Manifest]:
    """The newest wanted runs of all workspaces, newest first.

    Raises:
        InvalidRequest: there is no such workspace.
        StoreFailed: a workspace's bucket does not answer.
    """
    workspaces = settings.load_workspaces()
    chosen = [workspaces.get(wanted.workspace)] if wanted.workspace else list(workspaces)
    buckets = [settings.open_bucket(workspace) for workspace in chosen]
    # A run id begins with its moment, so the newest of all is the greatest; only what is shown is read.
    merged = heapq.merge(*map(_ids, buckets), key=lambda found: found[0], reverse=True)
    manifests = (manifest for run, bucket in merged if (manifest := record_of(bucket, run).read()) is not None)
    return list(islice(filter(wanted.fits, manifests), limit))


def _ids(bucket: Store) -> Iterator[tuple[str, Store]]:
    return ((run, bucket) for run in run_ids(bucket))


def show_runs(terminal: Terminal, found: list[Manifest]) -> None:
    """Runs as a table."""
    from rich.table import Table
    from rich.text import Text

    from daybook.cli.commands.run_views import STYLES, when

    if not found:
        terminal.line("There are no such runs.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("run", "state", "asked for", "took", "workspace", "user"):
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
        )
    terminal.table(table)
