"""The runs of a bucket as its listing tells them, without a look into any object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from daybook.contract import keys
from daybook.storage import ObjectInfo, Store


@dataclass
class RunInfo:
    """One run.

    Attributes:
        run_id: which; tells when it was asked for.
        size: bytes of all its objects.
        changed: when the newest of them was written, by the bucket's clock.
        manifest_changed: when the manifest was; None where there is none.
        pinned: whether it has a pin.
        removing: whether an earlier sweep has begun to remove it.
    """

    run_id: str
    size: int
    changed: datetime
    manifest_changed: datetime | None = None
    pinned: bool = False
    removing: bool = False

    @property
    def asked_at(self) -> datetime:
        """When the run was asked for."""
        return keys.asked_at(self.run_id)


def run_infos(bucket: Store, days: Iterable[date] | None = None) -> list[RunInfo]:
    """The runs, newest first; what lies in no run's prefix is left out.

    Args:
        bucket: the workspace's.
        days: only runs that were asked for on these days (UTC); by default all.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    prefixes = [f"{keys.RUNS}/"] if days is None else [f"{keys.day_prefix(day)}/" for day in days]
    found: dict[str, RunInfo] = {}
    for prefix in prefixes:
        for each in bucket.objects(prefix):
            run = _run_of(each.key)
            if run is not None:
                _add(found.setdefault(run, RunInfo(run, 0, each.modified)), each)
    return [found[run] for run in sorted(found, reverse=True)]


def _run_of(key: str) -> str | None:
    run = keys.run_of(key)
    try:
        return run if run is not None and keys.asked_at(run) else None
    except ValueError:
        return None  # an id of a day that there is not: nothing that Daybook made


def _add(run: RunInfo, found: ObjectInfo) -> None:
    run.size += found.size
    run.changed = max(run.changed, found.modified)
    name = found.key.removeprefix(f"{keys.run_prefix(run.run_id)}/")
    if name == keys.MANIFEST:
        run.manifest_changed = found.modified
    run.pinned = run.pinned or name == keys.PIN
    run.removing = run.removing or name == keys.REMOVAL
