"""The records of runs in a workspace's bucket: reading, writing and listing manifests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import ValidationError

from daybook.contract import keys
from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import MAX_MANIFEST_BYTES, CellCounts, Manifest, Reason
from daybook.storage import journal, removal
from daybook.storage.mapping import ObjectChanged, ObjectMissing, ObjectTooLarge
from daybook.storage.sealing import Verdict, closed, closing, counted, is_closing, overtaken
from daybook.storage.store import Store

_WRITE_TRIES = 20
"""Two attempts of one run write about once a second each, and a take-over writes three times at once; twenty
collisions in a row are no coincidence any more."""

_NOTED = ("image_digest", "pod_uid")
"""What only Kubernetes tells: the runner does not know it, and must not wipe it out."""

log = logging.getLogger(__name__)


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
        return self._parsed(text)

    def read_newer(self, tag: str | None) -> tuple[Manifest | None, str | None] | None:
        """The manifest, or None where there is none, with its tag; nothing while it is still the one of that tag.

        Raises:
            UnreadableManifest: what lies there is no manifest of this version.
            StoreFailed: the bucket does not answer.
        """
        try:
            found = self.store.read_newer(keys.MANIFEST, tag, MAX_MANIFEST_BYTES)
        except ObjectMissing:
            return None, None
        except ObjectTooLarge as error:
            raise UnreadableManifest(str(error)) from error
        return found and (self._parsed(found[0]), found[1])

    def write(self, manifest: Manifest) -> None:
        """Writes the manifest unless a newer attempt, or a seal of this one, stands there already.

        Holds however many write at once: what is replaced is what was looked at, or it is looked at again. The manifest
        of an older attempt is kept before it is replaced, sealed as lost where it was not sealed. What somebody else
        noted of this attempt's pod stays.

        Raises:
            StaleAttempt: a newer attempt has written.
            UnreadableManifest: what lies there is no manifest of this version.
            StoreFailed: the bucket does not answer.
        """
        self._change(lambda current: self._following(current, manifest))

    def require_writable(self, manifest: Manifest) -> None:
        """Looks whether `write` would take the manifest, before files beside it are replaced.

        Raises:
            StaleAttempt: a newer attempt has taken over, or somebody seals, or has sealed, this one.
            UnreadableManifest: what lies there is no manifest of this version.
            StoreFailed: the bucket does not answer.
        """
        self._following(self.read(), manifest)

    def seal(self, attempt: int, verdict: Verdict) -> Manifest:
        """Seals an attempt that its runner cannot seal any more; where it has, its word stands.

        First the manifest says how the attempt ended, which shuts out a runner that lives after all. Then its notebook
        is made whole, and then the manifest is sealed. Whoever comes after a sealer that was killed on the way goes on
        where it stopped.

        Args:
            attempt: which.
            verdict: how it ended.

        Returns:
            The sealed manifest.

        Raises:
            StaleAttempt: a newer attempt has taken over.
            UnreadableManifest: what lies there is no manifest of this version.
            StoreFailed: the bucket does not answer, or holds no manifest of this attempt.
        """
        now = datetime.now(UTC)
        found = self._change(lambda current: self._closing(current, attempt, verdict, now))
        if found.sealed:
            return found
        final = closed(found, *self._made_whole(found))
        return self._change(lambda current: self._last(current, final))

    def note_image(self, attempt: int, digest: str) -> None:
        """Notes in the manifest of an attempt on its way which image runs; a sealed one stays as it is.

        Raises:
            UnreadableManifest: what lies there is no manifest of this version.
            StoreFailed: the bucket does not answer, or holds no manifest.
        """
        self._note(attempt, "image_digest", digest)

    def note_pod(self, attempt: int, uid: str) -> None:
        """Notes in the manifest of an attempt on its way which pod is its own; a sealed one stays as it is.

        Raises:
            StaleAttempt: a newer attempt has taken over, or this one was given up before it had a pod.
            UnreadableManifest: what lies there is no manifest of this version.
            StoreFailed: the bucket does not answer, or holds no manifest.
        """
        found = self._note(attempt, "pod_uid", uid)
        if found.attempt > attempt:
            raise _overtaken(found, attempt)
        if found.sealed_by not in (None, "runner"):
            raise _given_up(found)

    def earlier(self, attempt: int) -> Manifest | None:
        """The last manifest of an attempt that a later one has followed; None where none was kept.

        Raises:
            UnreadableManifest: what lies there is no manifest of this version.
            StoreFailed: the bucket does not answer.
        """
        try:
            return self._parsed(self.store.read(keys.AttemptKeys(attempt).manifest, MAX_MANIFEST_BYTES))
        except ObjectMissing:
            return None
        except ObjectTooLarge as error:
            raise UnreadableManifest(str(error)) from error

    def _note(self, attempt: int, field: str, value: str) -> Manifest:
        def noted(current: Manifest | None) -> Manifest:
            current = self._present(current, attempt)
            if current.attempt > attempt or current.sealed or is_closing(current) or getattr(current, field):
                return current
            return current.model_copy(update={field: value})

        return self._change(noted)

    def _change(self, following: Callable[[Manifest | None], Manifest]) -> Manifest:
        """Replaces the manifest by the one that follows from it, whoever else writes; tells which one stands now."""
        for _ in range(_WRITE_TRIES):
            text, tag = self._read()
            current = self._parsed(text)
            manifest = following(current)
            document = manifest.to_json().encode()
            if manifest is current or document == text:
                return manifest
            try:
                self.store.replace(keys.MANIFEST, document, tag, "application/json")
            except ObjectChanged:
                continue
            return manifest
        raise StoreFailed(f"cannot write {self.store.url_of(keys.MANIFEST)}: others keep writing it")

    def _following(self, current: Manifest | None, manifest: Manifest) -> Manifest:
        if current is None:
            return manifest
        if current.attempt < manifest.attempt:
            self._keep(current, manifest)
            return manifest
        if current.attempt > manifest.attempt:
            raise _overtaken(current, manifest.attempt)
        noted = {field: getattr(current, field) for field in _NOTED if getattr(manifest, field) is None}
        manifest = manifest.model_copy(update=noted)
        if current.sealed and current.to_json() != manifest.to_json():
            # The same words again are fine: the answer to an earlier try may have been lost.
            raise StaleAttempt(f"run {manifest.run_id}: attempt {manifest.attempt} is sealed already")
        if is_closing(current):
            raise _given_up(current)
        return manifest

    def _closing(self, current: Manifest | None, attempt: int, verdict: Verdict, now: datetime) -> Manifest:
        current = self._present(current, attempt)
        if current.attempt > attempt:
            raise _overtaken(current, attempt)
        return current if current.sealed or is_closing(current) else closing(current, verdict, now)

    def _last(self, current: Manifest | None, final: Manifest) -> Manifest:
        current = self._present(current, final.attempt)
        if current.attempt > final.attempt:
            raise _overtaken(current, final.attempt)
        return current if current.sealed else final

    def _present(self, current: Manifest | None, attempt: int) -> Manifest:
        if current is None or current.attempt < attempt:
            raise StoreFailed(
                f"{self.store.url} holds no manifest of attempt {attempt} although one was written when it was queued"
            )
        return current

    def _keep(self, older: Manifest, newer: Manifest) -> None:
        """Keeps an older attempt's manifest beside its files: once it is sealed nobody changes it any more."""
        try:
            final = older if older.sealed else self.seal(older.attempt, overtaken(older, newer))
        except StaleAttempt:
            return  # somebody else was faster, and has kept it; what is there now is looked at next
        with suppress(ObjectChanged):  # kept already
            place = keys.AttemptKeys(older.attempt).manifest
            self.store.replace(place, final.to_json().encode(), None, "application/json")

    def _made_whole(self, manifest: Manifest) -> tuple[str | None, CellCounts | None]:
        """The notebook of a closing attempt with all that its journal holds: its key, and what became of its cells."""
        places = keys.AttemptKeys(manifest.attempt)
        reason, message = manifest.reason or Reason.NEVER_SEALED, manifest.message or ""
        try:
            key = journal.fold(self.store, places, state=manifest.state, reason=reason, message=message)
            notebook = journal.current(self.store, places) if key is not None else None
            return key, counted(notebook) if notebook is not None else None
        except (StoreFailed, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # What lies there may be anything: notebooks can write to the bucket. The record must be sealed all the
            # same; the notebook stays as it is, with its journal beside it.
            log.warning("The notebook of run %s is left as it was: %s", manifest.run_id, error)
            return None, None

    def _read(self) -> tuple[bytes | None, str | None]:
        try:
            return self.store.read_tagged(keys.MANIFEST, MAX_MANIFEST_BYTES)
        except ObjectMissing:
            return None, None
        except ObjectTooLarge as error:
            raise UnreadableManifest(str(error)) from error

    def _parsed(self, text: bytes | None) -> Manifest | None:
        if text is None or removal.is_gravestone(text):
            return None
        try:
            return Manifest.from_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise UnreadableManifest(
                f"{self.store.url_of(keys.MANIFEST)} is not a manifest that this Daybook reads: "
                f"{place + ': ' if place else ''}{first['msg']}"
            ) from error


def _overtaken(current: Manifest, attempt: int) -> StaleAttempt:
    return StaleAttempt(f"run {current.run_id}: attempt {current.attempt} has taken over; attempt {attempt} is stale")


def _given_up(current: Manifest) -> StaleAttempt:
    what = f"attempt {current.attempt} was given up as {current.state} ({current.reason})"
    return StaleAttempt(f"run {current.run_id}: {what}")


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
