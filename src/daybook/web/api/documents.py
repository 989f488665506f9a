"""From what is known of a run to the document that the API gives."""

from __future__ import annotations

from daybook.contract.keys import asked_at
from daybook.contract.manifest import Manifest, State
from daybook.web.api.answering import links_of_run
from daybook.web.api.models import RunDocument, RunSummary
from daybook.web.history import RunRow
from daybook.web.runs import Run, Waiting
from daybook.web.site import Site
from daybook.web.words import moment_told
from daybook.web.world import Asked
from daybook.workspaces import Workspace

_OVER = {"failed": State.FAILED, "success": State.SUCCEEDED}
"""Airflow's words for a DAG run that is over."""
_ENDED = "it is over, and has no record: it was cancelled before it began, or its record was removed; Airflow says more"


def summary_of_row(site: Site, row: RunRow) -> RunSummary:
    """What a list tells of a run with a record."""
    return RunSummary(
        workspace=row.workspace,
        run_id=row.run_id,
        notebook=row.notebook,
        title=row.title,
        state=row.state,
        reason=row.reason,
        sealed=row.sealed,
        attempt=row.attempt,
        user=row.user,
        asked_at=row.asked_at,
        finished_at=row.finished_at,
        duration_seconds=row.duration_seconds,
        links=links_of_run(site, row.workspace, row.run_id),
    )


def summary_of_asked(site: Site, asked: Asked) -> RunSummary:
    """What a list tells of a run without a record."""
    return RunSummary(**_waiting(site, asked))


def of_seen(site: Site, run: Run | Waiting) -> RunDocument:
    """A run that the asking user may see."""
    return of_asked(site, run.asked) if isinstance(run, Waiting) else of_manifest(site, run.workspace, run.manifest)


def of_asked(site: Site, asked: Asked) -> RunDocument:
    """A run that Airflow has taken: it waits, whatever Airflow calls that, until it has a record or Airflow ends it."""
    ended = {"state": _OVER[asked.state], "message": _ENDED} if asked.state in _OVER else {}
    return RunDocument(**{**_waiting(site, asked), **ended})


def of_manifest(site: Site, workspace: Workspace, manifest: Manifest) -> RunDocument:
    """A run with its record."""
    return RunDocument(
        workspace=workspace.name,
        run_id=manifest.run_id,
        notebook=manifest.notebook.id,
        title=manifest.notebook.title or manifest.notebook.id,
        state=manifest.state,
        reason=manifest.reason,
        message=manifest.message,
        sealed=manifest.sealed,
        attempt=manifest.attempt,
        user=manifest.user,
        asked_at=asked_at(manifest.run_id),
        finished_at=moment_told(manifest.timings.finished_at),
        duration_seconds=manifest.timings.duration_seconds,
        cells=manifest.cells,
        record=manifest,
        links=links_of_run(site, workspace.name, manifest.run_id),
    )


def _waiting(site: Site, asked: Asked) -> dict[str, object]:
    return {
        "workspace": asked.workspace,
        "run_id": asked.run_id,
        "notebook": asked.notebook,
        "title": site.title_of(asked.notebook),
        "state": State.QUEUED,
        "user": asked.user,
        "asked_at": asked.asked_at,
        "links": links_of_run(site, asked.workspace, asked.run_id),
    }
