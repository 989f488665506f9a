"""The records of runs in a workspace's bucket: reading, writing and listing manifests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pydantic import ValidationError

from daybook.contract import keys
from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import Manifest
from daybook.storage.store import ObjectMissing, Store


class StaleAttempt(StoreFailed):
    """A newer attempt of the run has taken over its record; this one must not write any more."""

    retry_helps = False


class RunRecord:
    """One run's record: the store is rooted at the run's prefix."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def read(self) -> Manifest | None:
        """The manifest, or None where there is none yet.

        Raises:
            StoreFailed: the bucket does not answer, or what lies there is no manifest.
        """
        try:
            text = self.store.read(keys.MANIFEST)
        except ObjectMissing:
            return None
        try:
            return Manifest.from_json(text)
        except ValidationError as error:
            where = self.store.url_of(keys.MANIFEST)
            raise StoreFailed(f"{where} is not a manifest of a version that this Daybook reads: {error}") from error

    def write(self, manifest: Manifest) -> None:
        """Writes the manifest unless a newer attempt, or a seal of this one, stands there already.

        Raises:
            StaleAttempt: a newer attempt has written.
            StoreFailed: the bucket does not answer.
        """
        current = self.read()
        if current is not None and current.attempt > manifest.attempt:
            raise StaleAttempt(
                f"run {manifest.run_id}: attempt {current.attempt} has taken over; attempt {manifest.attempt} is stale"
            )
        if current is not None and current.attempt == manifest.attempt and current.sealed:
            raise StaleAttempt(f"run {manifest.run_id}: attempt {manifest.attempt} is sealed already")
        self.store.write(keys.MANIFEST, manifest.to_json().encode(), "application/json")


def record_of(bucket: Store, run_id: str) -> RunRecord:
    """The record of a run in its workspace's bucket.

    Raises:
        ValueError: the run id has not the form of one.
    """
    return RunRecord(bucket.below(keys.run_prefix(run_id)))


def run_ids(bucket: Store) -> Iterator[str]:
    """The ids of a bucket's runs, newest first; reads no manifest."""
    for year in reversed(bucket.children(keys.RUNS)):
        for month in reversed(bucket.children(f"{keys.RUNS}/{year}")):
            for day in reversed(bucket.children(f"{keys.RUNS}/{year}/{month}")):
                found = bucket.children(f"{keys.RUNS}/{year}/{month}/{day}")
                yield from filter(keys.is_run_id, reversed(found))


def newest(bucket: Store, count: int) -> list[Manifest]:
    """The manifests of the newest runs; a run whose manifest is not there yet is left out."""
    found = (record_of(bucket, run).read() for run in run_ids(bucket))
    return list(islice((manifest for manifest in found if manifest is not None), count))
