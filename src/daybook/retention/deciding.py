"""Which runs are beyond a workspace's retention: a pure function."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from daybook.contract.quantities import quantity, whole
from daybook.retention.listing import RunInfo
from daybook.workspaces import Retention

NO_RECORD_STAYS = timedelta(days=1)
"""A run's folder without a manifest may be one that is just being queued; until then it is left alone."""


@dataclass(frozen=True)
class Going:
    """A run that goes, if it is sealed and nobody pins it meanwhile; and why."""

    run: RunInfo
    why: str


def beyond(runs: Iterable[RunInfo], retention: Retention, now: datetime) -> list[Going]:
    """The runs that go, oldest first.

    Pinned runs stay and do not count: neither among the newest nor for the size. Whether a run is sealed is looked at
    when it is removed. A run that was asked for in the future, by a clock that is wrong, is young.

    Args:
        runs: all runs of the workspace.
        retention: its rules; a run goes that is beyond any one of them.
        now: with a time zone.
    """
    limit = whole(quantity(retention.size)) if retention.size is not None else None
    going: list[Going] = []
    count = size = 0
    for run in sorted(runs, key=lambda each: each.run_id, reverse=True):
        if run.removing:
            going.append(Going(run, "an earlier sweep had begun to remove it"))
            continue
        if run.pinned or not _may_go(run, now):
            continue
        count, size = count + 1, size + run.size
        why = _too_old(run, retention, now) or _too_many(count, retention) or _too_large(size, limit, retention)
        if why is not None:
            going.append(Going(run, why))
    return going[::-1]


def _may_go(run: RunInfo, now: datetime) -> bool:
    return run.manifest_changed is not None or now - run.changed > NO_RECORD_STAYS


def _too_old(run: RunInfo, retention: Retention, now: datetime) -> str | None:
    if retention.days is None or (now - run.asked_at).total_seconds() <= retention.days * 86_400:
        return None
    return f"older than {retention.days:g} days"


def _too_many(count: int, retention: Retention) -> str | None:
    if retention.runs is None or count <= retention.runs:
        return None
    return f"beyond the newest {retention.runs} runs"


def _too_large(size: int, limit: int | None, retention: Retention) -> str | None:
    if limit is None or size <= limit:
        return None
    return f"it and the newer ones take more than {retention.size}"
