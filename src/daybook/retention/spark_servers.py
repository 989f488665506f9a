"""Spark servers that are over. One that runs is left alone: it ends by itself when nobody uses it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kubernetes.client import models as k8s

from daybook.contract import keys
from daybook.retention.orphans import FINISHED_STAYS
from daybook.storage import RunRecord, UnreadableManifest

_ENDED = {"Succeeded": "it was not used any more", "Failed": "it failed"}


def why_it_goes(pod: k8s.V1Pod, record: Callable[[str], RunRecord], now: datetime) -> str | None:
    """Why a server goes; None for one that stays, as each does for an hour after its end, for people to look at.

    Args:
        pod: of a server.
        record: the record of a run, by its id.
        now: with a time zone.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    if pod.metadata.deletion_timestamp is not None:
        return None
    if pod.status.phase in _ENDED:
        return f"{_ENDED[pod.status.phase]}, an hour ago" if now - _ended_at(pod) > FINISHED_STAYS else None
    run = (pod.metadata.labels or {}).get(keys.SPARK_OWNER_LABEL, "")
    if not keys.is_run_id(run) or now - pod.metadata.creation_timestamp <= FINISHED_STAYS:
        return None
    try:
        manifest = record(run).read()
    except UnreadableManifest:
        return None  # it ends by itself all the same
    if manifest is None:
        return "the run whose own it is has no record"
    return f"the run whose own it is is sealed as {manifest.state}" if manifest.sealed else None


def _ended_at(pod: k8s.V1Pod) -> datetime:
    states = [one.state for one in pod.status.container_statuses or [] if one.state is not None]
    ends = [state.terminated.finished_at for state in states if state.terminated is not None]
    made: datetime = pod.metadata.creation_timestamp
    return max((end for end in ends if end is not None), default=made)
