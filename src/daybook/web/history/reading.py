"""From a record in a bucket to what the index keeps of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from daybook.contract import keys
from daybook.contract.manifest import Manifest
from daybook.contract.text import storable
from daybook.storage import Store, UnreadableManifest, record_of
from daybook.web.words import moment_told

_YEAR = re.compile(r"20[0-9]{2}")
_MONTH = re.compile(r"0[1-9]|1[0-2]")
_DAY = re.compile(r"[0-9]{8}")
"""A bucket's notebooks may make any folders in it: only so many are looked into."""

MAX_TEXT_CHARACTERS = 200
"""How much is kept of a name or title, which a notebook may have written into its record at any length."""

MAX_BYTES = 2**50
"""A petabyte: what a record says of its outputs beyond that, no run has written."""


@dataclass(frozen=True)
class Kept:
    """What the index keeps of a run, as its columns are called; `bytes` are those of all its outputs."""

    notebook: str
    title: str
    state: str
    reason: str | None
    sealed: bool
    attempt: int
    user: str | None
    finished_at: str | None
    duration: float | None
    bytes: int

    @classmethod
    def of(cls, manifest: Manifest) -> Kept:
        """Of a manifest, which may hold anything."""
        notebook, duration = _short(manifest.notebook.id), manifest.timings.duration_seconds
        return cls(
            notebook=notebook,
            title=_short(manifest.notebook.title or "") or notebook,
            state=str(manifest.state),
            reason=str(manifest.reason) if manifest.reason else None,
            sealed=manifest.sealed,
            attempt=manifest.attempt,
            user=_short(manifest.user) if manifest.user is not None else None,
            finished_at=_moment(manifest.timings.finished_at),
            duration=duration if duration is not None and math.isfinite(duration) else None,
            bytes=min(sum(max(0, each.size) for each in manifest.outputs), MAX_BYTES),
        )


@dataclass(frozen=True)
class Look:
    """One look at a run's record.

    Attributes:
        run_id: the run.
        at: when the look began, seconds.
        kept: what the record says; None where there is none, or none that can be read.
        fault: why it cannot be read.
    """

    run_id: str
    at: float
    kept: Kept | None = None
    fault: str | None = None


def look_at(bucket: Store, run_id: str, at: float) -> Look:
    """Reads one record.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    try:
        manifest = record_of(bucket, run_id).read()
    except UnreadableManifest as error:
        return Look(run_id, at, fault=str(error))
    if manifest is None:
        return Look(run_id, at)
    if manifest.run_id != run_id:
        return Look(run_id, at, fault=f"the record says that it is of run {_short(manifest.run_id)}")
    return Look(run_id, at, Kept.of(manifest))


def runs_of_day(bucket: Store, day: str) -> list[str]:
    """The ids of the runs that were asked for on a day, `20261123`.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    found = bucket.children(f"{keys.RUNS}/{day[:4]}/{day[4:6]}/{day[6:]}")
    return [each for each in found if each.startswith(day) and is_moment(each)]


def days_of_month(bucket: Store, month: str) -> list[str]:
    """The days of a month, `202611`, of which a bucket holds runs, the newest first.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    found = reversed(bucket.children(f"{keys.RUNS}/{month[:4]}/{month[4:]}"))
    return [month + day for day in found if _DAY.fullmatch(month + day)]


def days_of(bucket: Store) -> list[str]:
    """All days of which a bucket holds runs, the newest first.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    return list(_days(bucket))


def newest_days(bucket: Store, most: int) -> list[str]:
    """The newest days, found with as few listings as that takes.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    return list(islice(_days(bucket), most))


def is_moment(run_id: str) -> bool:
    """Whether it is the id of a run that can have been asked for: `20261399T…` cannot."""
    try:
        moment_of(run_id)
    except ValueError:
        return False
    return keys.is_run_id(run_id)


def moment_of(run_id: str) -> datetime:
    """When a run was asked for; as `keys.asked_at`, which is too slow for thousands."""
    return datetime.fromisoformat(run_id[:16])


def _days(bucket: Store) -> Iterator[str]:
    for year in filter(_YEAR.fullmatch, reversed(bucket.children(keys.RUNS))):
        for month in filter(_MONTH.fullmatch, reversed(bucket.children(f"{keys.RUNS}/{year}"))):
            yield from days_of_month(bucket, year + month)


def _short(text: str) -> str:
    return storable(text[:MAX_TEXT_CHARACTERS])


def _moment(text: str | None) -> str | None:
    found = moment_told(text)
    return None if found is None else found.isoformat()
