"""Applying a workspace's retention to its bucket."""

from __future__ import annotations

from datetime import datetime

from daybook.retention.deciding import Going, beyond
from daybook.retention.listing import run_infos
from daybook.retention.many import each_of
from daybook.retention.report import Report
from daybook.storage import Outcome, Store, remove_run
from daybook.workspaces import Workspace


def apply_retention(workspace: Workspace, bucket: Store, report: Report, now: datetime) -> None:
    """Removes the runs that are beyond the workspace's retention.

    Raises:
        InfrastructureFailed: the bucket does not answer.
    """
    # Also without any rule: an earlier sweep may have been killed in the middle of a removal.
    going = beyond(run_infos(bucket), workspace.retention, now)
    each_of(going, lambda each: _remove(bucket, each, report), report)


def _remove(bucket: Store, going: Going, report: Report) -> None:
    run = going.run.run_id
    removed = remove_run(bucket, run, going.why, report.dry_run)
    if removed.outcome is Outcome.REMOVED:
        report.removed_run(run, removed.size, going.why)
    elif removed.outcome is not Outcome.PINNED:
        report.warn(f"run {run} stays, although {going.why}: {_STAYS[removed.outcome]}")


_STAYS = {
    Outcome.OPEN: "it is not sealed",
    Outcome.CHANGED: "somebody has just written its manifest",
    Outcome.UNREADABLE: "its manifest is none that this Daybook reads",
}
