"""Buckets: a few verbs over obstore, and the records of runs that lie in them."""

from daybook.storage.mapping import ObjectChanged, ObjectMissing, ObjectTooLarge, StoreRefused
from daybook.storage.opening import open_store
from daybook.storage.pins import Pin, pin_of, pin_run, unpin_run
from daybook.storage.records import RunRecord, StaleAttempt, UnreadableManifest, record_of, run_ids
from daybook.storage.removal import Outcome, Removed, remove_run
from daybook.storage.sealing import Verdict
from daybook.storage.store import ObjectInfo, Store

__all__ = [
    "ObjectChanged",
    "ObjectInfo",
    "ObjectMissing",
    "ObjectTooLarge",
    "Outcome",
    "Pin",
    "Removed",
    "RunRecord",
    "StaleAttempt",
    "Store",
    "StoreRefused",
    "UnreadableManifest",
    "Verdict",
    "open_store",
    "pin_of",
    "pin_run",
    "record_of",
    "remove_run",
    "run_ids",
    "unpin_run",
]
