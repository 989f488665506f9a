"""The index of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from daybook.contract.manifest import Manifest
from daybook.storage import Store
from daybook.web.history.model import Filter, Page, RunRow
from daybook.workspaces import Workspace


class History:
    """Runs of all workspaces, by what lists show of them.

    Args:
        folder: where the index is kept; None keeps it in memory.
        bucket: opens a workspace's bucket.
    """

    def __init__(self, folder: Path | None, bucket: Callable[[Workspace], Store]) -> None:
        self._folder = folder
        self._bucket = bucket

    def page(self, workspaces: Sequence[Workspace], where: Filter, after: str | None = None, limit: int = 50) -> Page:
        """The newest runs that fit, or those that follow a page's `after`."""
        raise NotImplementedError

    def last_runs(self, workspaces: Sequence[Workspace]) -> Mapping[str, RunRow]:
        """The newest run of each notebook, by the notebook's id."""
        raise NotImplementedError

    def expected_seconds(self, workspace: Workspace, notebook: str) -> float | None:
        """How long the notebook's last successful runs took (their median); None where there are none."""
        raise NotImplementedError

    def note(self, manifest: Manifest) -> None:
        """Takes up what somebody has just read."""
        raise NotImplementedError
