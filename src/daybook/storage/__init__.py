"""Buckets: a few verbs over obstore, and the records of runs that lie in them."""

from daybook.storage.mapping import ObjectChanged, ObjectMissing, StoreRefused
from daybook.storage.records import RunRecord, StaleAttempt, UnreadableManifest, record_of, run_ids
from daybook.storage.sealing import Verdict
from daybook.storage.store import ObjectInfo, Store, open_store

__all__ = [
    "ObjectChanged",
    "ObjectInfo",
    "ObjectMissing",
    "RunRecord",
    "StaleAttempt",
    "Store",
    "StoreRefused",
    "UnreadableManifest",
    "Verdict",
    "open_store",
    "record_of",
    "run_ids",
]
