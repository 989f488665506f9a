"""Removing a run so that a half-removed one never looks like a whole one, whoever is killed on the way.

1. `removal.json` is written: by it any later sweep finds the run, whatever its rules are by then.
2. The manifest is replaced by a gravestone, only if it is still the sealed one that was looked at. From here on
   everybody takes the run for one that has no record. The gravestone holds the manifest, to put it back where
   somebody pinned the run in this very moment.
3. Everything else goes, then the gravestone, then `removal.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from daybook.contract import keys
from daybook.contract.manifest import MAX_MANIFEST_BYTES, Manifest
from daybook.storage.mapping import ObjectChanged, ObjectMissing, ObjectTooLarge
from daybook.storage.store import Store

GRAVESTONE = "removed_manifest"
"""The one key of a gravestone; no manifest of any version begins with it."""
_BEGINNING = f'{{"{GRAVESTONE}":'.encode()
_MAX_GRAVESTONE_BYTES = 3 * MAX_MANIFEST_BYTES + 100
"""JSON within JSON: a quotation mark is two bytes then, and of what is not ASCII no more than three times as many."""


class Outcome(StrEnum):
    """What became of a run that was to be removed."""

    REMOVED = "removed"
    PINNED = "pinned"
    OPEN = "open"
    CHANGED = "changed"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Removed:
    """What became of it, and how many bytes went."""

    outcome: Outcome
    size: int = 0


def is_gravestone(text: bytes) -> bool:
    """Whether what lies in a manifest's place says that the run is being removed."""
    return text.startswith(_BEGINNING)


def remove_run(bucket: Store, run: str, why: str, dry_run: bool = False) -> Removed:
    """Removes a run with everything below its prefix; a pinned or open one stays.

    Args:
        bucket: the workspace's.
        run: the run's id.
        why: for whoever finds a removal that was interrupted.
        dry_run: only tells what would become of it.

    Raises:
        ValueError: it is no run id.
        StoreFailed: the bucket does not answer; what was begun is gone on with at the next call.
    """
    store = bucket.below(keys.run_prefix(run))
    try:
        return _removed(store, why, dry_run)
    except ObjectTooLarge:
        return Removed(Outcome.UNREADABLE)


def _removed(store: Store, why: str, dry_run: bool) -> Removed:
    if _is_pinned(store):
        return _kept(store, dry_run)
    text, tag = _read(store)
    kept = _reason_to_keep(text)
    if kept is not None:
        if kept is Outcome.OPEN and not dry_run:
            store.delete(keys.REMOVAL)  # begun by a sweep that was killed, before somebody ran it again
        return Removed(kept)
    if dry_run:
        return Removed(Outcome.REMOVED, sum(each.size for each in store.objects()))
    store.write(keys.REMOVAL, json.dumps({"why": why}).encode(), "application/json")
    try:
        if text is not None and not is_gravestone(text):
            store.replace(keys.MANIFEST, _gravestone(text), tag, "application/json")
    except ObjectChanged:
        store.delete(keys.REMOVAL)
        return Removed(Outcome.CHANGED)
    if _is_pinned(store):
        return _kept(store, dry_run)
    return Removed(Outcome.REMOVED, len(text or b"") + _cleared(store))


def _kept(store: Store, dry_run: bool) -> Removed:
    """A pinned run, made whole again where its removal had begun."""
    text, tag = _read(store)
    if not dry_run:
        if text is not None and is_gravestone(text):
            manifest = _buried(text)
            if manifest is None:
                return Removed(Outcome.UNREADABLE)
            store.replace(keys.MANIFEST, manifest, tag, "application/json")
        store.delete(keys.REMOVAL)
    return Removed(Outcome.PINNED)


def _reason_to_keep(text: bytes | None) -> Outcome | None:
    if text is None or is_gravestone(text):
        return None
    try:
        manifest = Manifest.from_json(text)
    except ValueError:
        return Outcome.UNREADABLE
    return None if manifest.sealed else Outcome.OPEN


def _cleared(store: Store) -> int:
    """Deletes everything, the manifest's place and the mark last; how many bytes the others were."""
    found = [each for each in store.objects() if each.key not in (keys.MANIFEST, keys.REMOVAL)]
    store.delete_all(each.key for each in found)
    text, _ = _read(store)
    if text is None or is_gravestone(text):
        store.delete(keys.MANIFEST)
    store.delete(keys.REMOVAL)
    return sum(each.size for each in found)


def _gravestone(manifest: bytes) -> bytes:
    return _BEGINNING + json.dumps(manifest.decode("utf-8", "replace")).encode() + b"}"


def _buried(gravestone: bytes) -> bytes | None:
    """The manifest that a gravestone holds; None where a notebook wrote something else in its place."""
    try:
        found = json.loads(gravestone)[GRAVESTONE]
    except (ValueError, RecursionError):
        return None
    return found.encode(errors="replace") if isinstance(found, str) else None


def _is_pinned(store: Store) -> bool:
    try:
        store.info(keys.PIN)
    except ObjectMissing:
        return False
    return True


def _read(store: Store) -> tuple[bytes | None, str | None]:
    """What lies in the manifest's place, with its tag.

    Raises:
        ObjectTooLarge: it is no manifest that we wrote, and no gravestone of one.
    """
    try:
        return store.read_tagged(keys.MANIFEST, MAX_MANIFEST_BYTES)
    except ObjectMissing:
        return None, None
    except ObjectTooLarge:
        if not is_gravestone(store.read_part(keys.MANIFEST, 0, len(_BEGINNING))):
            raise
        return store.read_tagged(keys.MANIFEST, _MAX_GRAVESTONE_BYTES)
