"""How an attempt ends whose runner did not seal it, by what there is of its pod when Airflow comes to end it."""

from __future__ import annotations

from datetime import UTC, datetime

from kubernetes.client import models as k8s

from daybook.contract.manifest import Manifest, Reason, State
from daybook.pods import CONTAINER, Ending, ending_of, has_ended, is_stuck, stuck_ending

GIVEN_UP = Ending(
    State.INTERRUPTED,
    Reason.TERMINATED,
    "Airflow gave the run up before its notebook was through, and its pod was ended",
)
"""Of a pod that was still at work: the task ran out of time, or nobody watched over it any more."""


def is_over(pod: k8s.V1Pod) -> bool:
    """Whether nothing more is to be expected of a pod: the notebook's container has ended, or its node is silent."""
    return is_stuck(pod, datetime.now(UTC)) or has_ended(pod, CONTAINER)


def ending_at(pod: k8s.V1Pod) -> Ending:
    """What to seal with where a pod is waited for no longer."""
    if is_stuck(pod, datetime.now(UTC)):
        return stuck_ending(pod)
    ending = ending_of(pod, CONTAINER)
    return GIVEN_UP if ending.reason is Reason.NEVER_SEALED and not has_ended(pod, CONTAINER) else ending


def ending_of_given_up(pod: k8s.V1Pod) -> Ending:
    """The same where nobody has waited: a pod that is about to start is not one that took too long."""
    ending = ending_at(pod)
    return GIVEN_UP if ending.reason is Reason.POD_FAILED and not has_ended(pod, CONTAINER) else ending


def ending_without_pod(manifest: Manifest, gone: Ending) -> Ending:
    """What to seal an attempt with of which there is no pod.

    Args:
        manifest: the attempt's.
        gone: how one ends that had a pod.
    """
    if manifest.pod_uid is not None or manifest.state is not State.QUEUED:
        return gone
    message = "Airflow gave the run up before it had a pod"
    told = f"{message}; it {manifest.message}" if manifest.message else message
    return Ending(State.INTERRUPTED, Reason.TERMINATED, told)


def ending_unmade(why: str) -> Ending:
    """What to seal an attempt with whose pod could not even be asked for."""
    return Ending(State.FAILED, Reason.POD_FAILED, f"the pod was not made: {why}")
