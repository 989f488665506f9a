"""One look at a run after the other: its record, its notebook while it runs, or that it waits for its turn."""

from __future__ import annotations

import time

from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import Manifest, State
from daybook.storage import record_of
from daybook.web.live.model import Progress, of_manifest, of_waiting
from daybook.web.live.notebook import NotebookView
from daybook.web.site import Site
from daybook.web.world import Asked
from daybook.workspaces import Workspace

NOTEBOOK_SECONDS = 1.5
"""How often the notebook is looked at; the runner does not flush it more often."""
WAITING_SECONDS = 2.0
"""How often Airflow is asked for a run that has no record: that is a query of its database."""


class Looking:
    """Looks at one run; called by one thread at a time, and keeps what it needs to find the next look cheap."""

    def __init__(self, site: Site, workspace: Workspace, run_id: str) -> None:
        self._site = site
        self._workspace = workspace
        self._run_id = run_id
        self._record = record_of(site.world.bucket(workspace), run_id)
        self._view = NotebookView(self._record)
        self._manifest: Manifest | None = None
        self._tag: str | None = None
        self._asked: Asked | None = None
        self._asked_at = -WAITING_SECONDS
        self._notebook_at = -NOTEBOOK_SECONDS
        self._expected: float | None = None
        self._expected_is_known = False

    def __call__(self) -> Progress:
        """The run as it is now.

        Raises:
            InfrastructureFailed: the bucket does not answer, or, where the run has no record, Airflow's database.
        """
        newer = self._record.read_newer(self._tag)
        if newer is not None:
            self._manifest, self._tag = newer
        manifest = self._manifest
        if manifest is None or manifest.run_id != self._run_id:
            return self._without_record()
        if manifest.sealed:
            self._site.history.note(self._workspace, manifest)
            return of_manifest(manifest, self._workspace.name, None, None)
        if manifest.state is State.RUNNING and time.monotonic() - self._notebook_at >= NOTEBOOK_SECONDS:
            self._look_at_notebook(manifest)
        cell, expected = self._view.running_cell(manifest), self._expected_seconds(manifest.notebook.id)
        return of_manifest(manifest, self._workspace.name, cell, expected)

    def _look_at_notebook(self, manifest: Manifest) -> None:
        try:
            self._view.look(manifest)
        except StoreFailed as error:
            if error.retry_helps:
                raise
            # What lies there is no notebook: the record tells of the run all the same.
        finally:
            self._notebook_at = time.monotonic()

    def _without_record(self) -> Progress:
        if time.monotonic() - self._asked_at >= WAITING_SECONDS:
            self._asked = self._site.world.waiting_run(self._workspace, self._run_id)
            self._asked_at = time.monotonic()
        if self._asked is None:
            return Progress(run_id=self._run_id, workspace=self._workspace.name, state=State.QUEUED, gone=True)
        return of_waiting(self._asked, self._expected_seconds(self._asked.notebook))

    def _expected_seconds(self, notebook: str) -> float | None:
        if not self._expected_is_known:
            self._expected = self._site.history.expected_seconds(self._workspace, notebook)
            self._expected_is_known = True
        return self._expected
