"""The sweep of one workspace: seal, remove orphans, apply retention. Each part does what it can and tells the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from kubernetes.client import models as k8s

from daybook.contract.errors import InfrastructureFailed
from daybook.contract.request import AirflowCoordinates
from daybook.retention.abandoned import Open, Window, judged
from daybook.retention.applying import apply_retention
from daybook.retention.cluster import Cluster
from daybook.retention.listing import RunInfo, run_infos
from daybook.retention.many import each_of
from daybook.retention.orphans import by_attempt, orphan_of, orphan_secrets
from daybook.retention.report import Report
from daybook.retention.spark_servers import why_it_goes
from daybook.storage import StaleAttempt, Store, UnreadableManifest, Verdict, record_of
from daybook.workspaces import StsCredentials, Workspace

Airflow = Callable[[Sequence[AirflowCoordinates]], Collection[AirflowCoordinates]]
"""Of tasks, those that are under way: not ended, or about to be tried again."""


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
        _part(report, "remove orphan pods", lambda: remove_pods(place, cluster, report, now))
        _part(report, "remove ended Spark servers", lambda: remove_servers(place, cluster, report, now))
        if isinstance(place.workspace.credentials, StsCredentials):  # only for these are Secrets made
            _part(report, "remove orphan Secrets", lambda: remove_secrets(cluster, report, now))
    if retain:
        _part(report, "apply retention", lambda: apply_retention(place.workspace, place.bucket, report, now))


def seal_abandoned(place: Place, airflow: Airflow, window: Window, report: Report, now: datetime) -> None:
    """Seals what nobody works on any more.

    Raises:
        InfrastructureFailed: bucket, Kubernetes or Airflow does not answer.
    """
    quiet = [run for run in run_infos(place.bucket, window.dates(now)) if window.holds(run, now)]
    found = [each for each in each_of(quiet, lambda run: _open(place.bucket, run, report), report) if each is not None]
    if not found:
        return
    # Airflow is asked first: a task that starts meanwhile shows by its pod or its newer attempt, one that ends
    # meanwhile is met by the next sweep.
    alive = airflow([each.manifest.airflow for each in found if each.manifest.airflow is not None])
    pods = by_attempt(place.cluster.pods()) if place.cluster is not None else {}
    verdicts = [(each, judged(each, alive, pods, place.cluster is None, now)) for each in found]
    abandoned = [(each, verdict) for each, verdict in verdicts if verdict is not None]
    each_of(abandoned, lambda pair: _seal(place.bucket, *pair, report), report)


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


def remove_pods(place: Place, cluster: Cluster, report: Report, now: datetime) -> None:
    """Deletes pods that outlived their run.

    Raises:
        InfrastructureFailed: bucket or Kubernetes does not answer.
    """
    each_of(cluster.pods(), lambda pod: _remove_pod(place, cluster, pod, report, now), report)


def remove_servers(place: Place, cluster: Cluster, report: Report, now: datetime) -> None:
    """Deletes Spark servers that have ended, and those of a run's own that outlived it.

    Raises:
        InfrastructureFailed: bucket or Kubernetes does not answer.
    """
    for pod in cluster.spark_servers():
        why = why_it_goes(pod, lambda run: record_of(place.bucket, run), now)
        if why is not None and (report.dry_run or cluster.delete_pod(pod)):
            report.removed_pod(pod.metadata.name, why)


def remove_secrets(cluster: Cluster, report: Report, now: datetime) -> None:
    """Deletes Secrets that outlived their pod.

    Raises:
        InfrastructureFailed: Kubernetes does not answer.
    """
    made = cluster.secrets()  # before the pods: one that is made in between must not look gone
    for secret in orphan_secrets(made, cluster.pods(), now):
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


def _part(report: Report, what: str, do: Callable[[], None]) -> None:
    """One part of the sweep: where it fails, the others go on, and the task fails at its end."""
    try:
        do()
    except InfrastructureFailed as error:
        report.fail(f"cannot {what}: {error}")
