"""The sweep of one workspace: seal, remove orphans, apply retention. Each part does what it can and tells the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from kubernetes.client import models as k8s

from daybook.contract.errors import InfrastructureFailed
from daybook.contract.request import AirflowCoordinates
from daybook.retention.abandoned import Open, Window, judged
from daybook.retention.cluster import Cluster
from daybook.retention.deciding import Going, beyond
from daybook.retention.listing import RunInfo, run_infos
from daybook.retention.orphans import by_attempt, orphan_of, orphan_secrets
from daybook.retention.report import Report
from daybook.storage import Outcome, StaleAttempt, Store, UnreadableManifest, Verdict, record_of, remove_run
from daybook.workspaces import StsCredentials, Workspace

AT_ONCE = 16
"""How many runs are read or removed at a time."""

FAILURES = 5
"""After so many the rest is left to the next sweep: a bucket that is away fails every run, each after its retries."""

Airflow = Callable[[Sequence[AirflowCoordinates]], Collection[AirflowCoordinates]]
"""Of tasks, those that are under way: not ended, or about to be tried again."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Place:
    """Where is swept.

    Attributes:
        cluster: None where the workspace's runs have no pods.
    """

    workspace: Workspace
    bucket: Store
    cluster: Cluster | None


def sweep(place: Place, airflow: Airflow, window: Window, retain: bool, report: Report, now: datetime) -> None:
    """Sweeps a workspace.

    Args:
        place: which.
        airflow: what Airflow knows of the tasks that its runs stand for.
        window: in which runs it looks for abandoned ones.
        retain: whether retention is applied too.
        report: hears what is done; with `dry_run`, nothing is.
        now: with a time zone.
    """
    _part(report, "seal abandoned runs", lambda: seal_abandoned(place, airflow, window, report, now))
    if place.cluster is not None:
        cluster = place.cluster
        _part(report, "remove orphans", lambda: remove_orphans(place, cluster, report, now))
    if retain:
        _part(report, "apply retention", lambda: apply_retention(place.workspace, place.bucket, report, now))


def seal_abandoned(place: Place, airflow: Airflow, window: Window, report: Report, now: datetime) -> None:
    """Seals what nobody works on any more.

    Raises:
        InfrastructureFailed: bucket, Kubernetes or Airflow does not answer.
    """
    quiet = [run for run in run_infos(place.bucket, window.dates(now)) if window.holds(run, now)]
    found = [each for each in _each(quiet, lambda run: _open(place.bucket, run, report), report) if each is not None]
    if not found:
        return
    # Airflow is asked first: a task that starts meanwhile shows by its pod or its newer attempt, one that ends
    # meanwhile is met by the next sweep.
    alive = airflow([each.manifest.airflow for each in found if each.manifest.airflow is not None])
    pods = by_attempt(place.cluster.pods()) if place.cluster is not None else {}
    verdicts = [(each, judged(each, alive, pods, place.cluster is None, now)) for each in found]
    abandoned = [(each, verdict) for each, verdict in verdicts if verdict is not None]
    _each(abandoned, lambda pair: _seal(place.bucket, *pair, report), report)


def _open(bucket: Store, run: RunInfo, report: Report) -> Open | None:
    try:
        manifest = record_of(bucket, run.run_id).read()
    except UnreadableManifest as error:
        report.warn(f"run {run.run_id} is left alone: {error}")
        return None
    return Open(run, manifest) if manifest is not None and not manifest.sealed else None


def _seal(bucket: Store, found: Open, verdict: Verdict, report: Report) -> None:
    manifest = found.manifest
    try:
        if not report.dry_run:
            sealed = record_of(bucket, manifest.run_id).seal(manifest.attempt, verdict)
            if sealed.sealed_by != verdict.by:
                return  # its runner or operator was faster
    except StaleAttempt:
        return  # it goes on as a newer attempt
    except (ValueError, TypeError) as error:
        report.warn(f"run {manifest.run_id} cannot be sealed, for its manifest makes no sense: {error}")
        return
    report.sealed(manifest.run_id, f"attempt {manifest.attempt} was {manifest.state}; {verdict.message}")


def remove_orphans(place: Place, cluster: Cluster, report: Report, now: datetime) -> None:
    """Removes pods and Secrets that outlived their run.

    Raises:
        InfrastructureFailed: bucket or Kubernetes does not answer.
    """
    made = cluster.secrets() if isinstance(place.workspace.credentials, StsCredentials) else []
    pods = cluster.pods()
    _each(pods, lambda pod: _remove_pod(place, cluster, pod, report, now), report)
    for secret in orphan_secrets(made, pods, now):
        if report.dry_run or cluster.delete_secret(secret):
            report.removed_secret(secret.metadata.name, "the pod that it was made for is gone")


def _remove_pod(place: Place, cluster: Cluster, pod: k8s.V1Pod, report: Report, now: datetime) -> None:
    try:
        orphan = orphan_of(pod, lambda run: record_of(place.bucket, run), now)
    except UnreadableManifest as error:
        report.warn(f"pod {pod.metadata.name} is left alone: {error}")
        return
    if orphan is None or not (report.dry_run or cluster.delete_pod(pod)):
        return
    if orphan.unsaved:
        report.warn(f"pod {pod.metadata.name} held what its run could not save; it is gone now")
    report.removed_pod(pod.metadata.name, orphan.why)


def apply_retention(workspace: Workspace, bucket: Store, report: Report, now: datetime) -> None:
    """Removes the runs that are beyond the workspace's retention.

    Raises:
        InfrastructureFailed: the bucket does not answer.
    """
    # Also without any rule: an earlier sweep may have been killed in the middle of a removal.
    going = beyond(run_infos(bucket), workspace.retention, now)
    _each(going, lambda each: _remove(bucket, each, report), report)


def _remove(bucket: Store, going: Going, report: Report) -> None:
    run = going.run.run_id
    removed = remove_run(bucket, run, going.why, report.dry_run)
    if removed.outcome is Outcome.REMOVED:
        report.removed_run(run, removed.size, going.why)
    elif removed.outcome is not Outcome.PINNED:
        report.warn(f"run {run} stays, although {going.why}: {_STAYS[removed.outcome]}")


_STAYS = {
    Outcome.OPEN: "it is not sealed",
    Outcome.CHANGED: "somebody has just written its manifest",
    Outcome.UNREADABLE: "its manifest is none that this Daybook reads",
}


def _part(report: Report, what: str, do: Callable[[], None]) -> None:
    """One part of the sweep: where it fails, the others go on, and the task fails at its end."""
    try:
        do()
    except InfrastructureFailed as error:
        report.fail(f"cannot {what}: {error}")


def _each(items: Sequence[T], do: Callable[[T], R], report: Report) -> list[R]:
    """Does it to each, several at a time; a failure leaves the others alone, but for when there are many."""
    done: list[R] = []
    failed = len(report.failures)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sweep") as pool:
        for start in range(0, len(items), AT_ONCE):
            for future in [pool.submit(do, item) for item in items[start : start + AT_ONCE]]:
                try:
                    done.append(future.result())
                except InfrastructureFailed as error:
                    report.fail(str(error))
            if len(report.failures) - failed >= FAILURES:
                raise InfrastructureFailed("too much has failed; the next sweep tries again")
    return done
