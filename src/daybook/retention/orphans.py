"""Pods and Secrets that outlived the run they were made for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubernetes.client import models as k8s

from daybook.contract import keys
from daybook.contract.manifest import Reason
from daybook.storage import ObjectMissing, RunRecord

FINISHED_STAYS = timedelta(hours=1)
"""After the seal: the operator fetches the log and deletes the pod itself."""

UNSAVED_STAYS = timedelta(days=7)
"""A pod whose runner could not reach the bucket holds the only copy of its log, and on localpods of all that the run
put out: time for a person."""


@dataclass(frozen=True)
class Orphan:
    """A pod that goes.

    Attributes:
        why: the reason.
        unsaved: whether it holds what is nowhere else.
    """

    pod: k8s.V1Pod
    why: str
    unsaved: bool = False


def attempt_of(pod: k8s.V1Pod) -> tuple[str, int] | None:
    """Run and attempt that a pod says it executes; None where its labels are not ours."""
    labels = pod.metadata.labels or {}
    run, attempt = labels.get(keys.RUN_LABEL, ""), labels.get(keys.ATTEMPT_LABEL, "")
    if not keys.is_run_id(run) or not (attempt.isascii() and attempt.isdigit()) or int(attempt) < 1:
        return None
    return run, int(attempt)


def by_attempt(pods: Collection[k8s.V1Pod]) -> dict[tuple[str, int], k8s.V1Pod]:
    """Pods by run and attempt; those that name neither are left out."""
    return {attempt: pod for pod in pods if (attempt := attempt_of(pod)) is not None}


def orphan_of(pod: k8s.V1Pod, record: Callable[[str], RunRecord], now: datetime) -> Orphan | None:
    """The pod as an orphan; None where it is none, or not for long enough yet.

    Args:
        pod: one of the workspace's.
        record: the record of a run, by its id.
        now: with a time zone.

    Raises:
        UnreadableManifest: nobody can tell what became of its run.
        StoreFailed: the bucket does not answer.
    """
    named = attempt_of(pod)
    if named is None or pod.metadata.deletion_timestamp is not None:
        return None
    run, attempt = named
    at = record(run)
    manifest = at.read()
    if manifest is None:
        return _after(pod, "its run has no record", pod.metadata.creation_timestamp, FINISHED_STAYS, now)
    if manifest.attempt < attempt or (manifest.attempt == attempt and not manifest.sealed):
        return None  # on its way: the manifest is written before its pod is made
    if manifest.attempt > attempt:
        why, last = f"attempt {manifest.attempt} of its run has overtaken it", at.earlier(attempt)
    else:
        why, last = f"its run is sealed as {manifest.state}", manifest
    ended = _sealed_at(at, attempt) or pod.metadata.creation_timestamp
    if last is not None and last.reason is Reason.STORE_FAILED:
        return _after(pod, f"{why}, {UNSAVED_STAYS.days} days ago", ended, UNSAVED_STAYS, now, unsaved=True)
    return _after(pod, why, ended, FINISHED_STAYS, now)


def orphan_secrets(
    secrets: Collection[k8s.V1Secret], pods: Collection[k8s.V1Pod], now: datetime
) -> Iterator[k8s.V1Secret]:
    """Secrets of runs whose pod is gone.

    Kubernetes removes them with the pod that owns them; these are the ones whose owner was never noted, or that it
    has not come to.

    Args:
        secrets: listed before the pods, so that a pod which was made in between does not look gone.
        pods: those there are.
        now: with a time zone.
    """
    uids = {pod.metadata.uid for pod in pods}
    attempts = set(by_attempt(pods))
    for secret in secrets:
        if now - secret.metadata.creation_timestamp <= FINISHED_STAYS or secret.metadata.deletion_timestamp is not None:
            continue
        owners = {owner.uid for owner in secret.metadata.owner_references or () if owner.kind == "Pod"}
        has_pod = not owners.isdisjoint(uids) if owners else _run_of(secret) in {run for run, _ in attempts}
        if not has_pod:
            yield secret


def _run_of(secret: k8s.V1Secret) -> str:
    return str((secret.metadata.labels or {}).get(keys.RUN_LABEL, ""))


def _after(
    pod: k8s.V1Pod, why: str, since: datetime, stays: timedelta, now: datetime, unsaved: bool = False
) -> Orphan | None:
    return Orphan(pod, why, unsaved) if now - since > stays else None


def _sealed_at(record: RunRecord, attempt: int) -> datetime | None:
    """When the attempt's last manifest was written, by the bucket's clock: what stands in it is the notebook's word."""
    for place in (keys.AttemptKeys(attempt).manifest, keys.MANIFEST):
        try:
            return record.store.info(place).modified
        except ObjectMissing:
            continue
    return None
