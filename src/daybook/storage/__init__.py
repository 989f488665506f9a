"""Buckets: a few verbs over obstore, and the records of runs that lie in them."""

from daybook.storage.records import RunRecord, StaleAttempt, newest, record_of, run_ids
from daybook.storage.store import ObjectInfo, ObjectMissing, Store, open_store

__all__ = [
    "ObjectInfo",
    "ObjectMissing",
    "RunRecord",
    "StaleAttempt",
    "Store",
    "newest",
    "open_store",
    "record_of",
    "run_ids",
]
