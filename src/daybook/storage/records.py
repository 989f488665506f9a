"""The records of runs in a workspace's bucket: reading, writing and listing manifests."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from daybook.contract import keys
from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import Manifest
from daybook.storage.mapping import ObjectChanged, ObjectMissing
from daybook.storage.store import Store

_WRITE_TRIES = 10
"""Two attempts of one run write about once a second each; ten collisions in a row are no coincidence any more."""


class UnreadableManifest(StoreFailed):
    """What lies in a manifest's place is no manifest that this Daybook reads."""

    retry_helps = False


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
            UnreadableManifest: what lies there is no manifest of this version.
            StoreFailed: the bucket does not answer.
        """
        text, _ = self._read()
        return None if text is None else self._parsed(text)

    def write(self, manifest: Manifest) -> None:
        """Writes the manifest unless a newer attempt, or a seal of this one, stands there already.

        Holds however many write at once: what is replaced is what was looked at, or it is looked at again.

        Raises:
            StaleAttempt: a newer attempt has written.
            UnreadableManifest: what lies there is no manifest of this version.
            StoreFailed: the bucket does not answer.
        """
        document = manifest.to_json().encode()
        for _ in range(_WRITE_TRIES):
            text, tag = self._read()
            if text == document:
                return  # an earlier try came through, although its answer was lost
            if text is not None:
                _refuse_stale(self._parsed(text), manifest)
            try:
                self.store.replace(keys.MANIFEST, document, tag, "application/json")
            except ObjectChanged:
                continue
            return
        raise StoreFailed(f"cannot write {self.store.url_of(keys.MANIFEST)}: others keep writing it")

    def _read(self) -> tuple[bytes | None, str | None]:
        try:
            return self.store.read_tagged(keys.MANIFEST)
        except ObjectMissing:
            return None, None

    def _parsed(self, text: bytes) -> Manifest:
        try:
            return Manifest.from_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise UnreadableManifest(
                f"{self.store.url_of(keys.MANIFEST)} is not a manifest that this Daybook reads: "
                f"{place + ': ' if place else ''}{first['msg']}"
            ) from error


def _refuse_stale(current: Manifest, manifest: Manifest) -> None:
    if current.attempt > manifest.attempt:
        raise StaleAttempt(
            f"run {manifest.run_id}: attempt {current.attempt} has taken over; attempt {manifest.attempt} is stale"
        )
    if current.attempt == manifest.attempt and current.sealed:
        raise StaleAttempt(f"run {manifest.run_id}: attempt {manifest.attempt} is sealed already")


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
