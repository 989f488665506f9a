"""What a pod's status tells: why it ended or never began, to seal an unsealed manifest with; and which image it ran."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubernetes.client import models as k8s

from daybook.contract.errors import ExitCode
from daybook.contract.images import image_digest
from daybook.contract.manifest import Reason, State

_IMAGE_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
_CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_START_REASONS = {"StartError", "ContainerCannotRun"}
_SIGKILL = 137


@dataclass(frozen=True)
class Ending:
    """How a pod ended without a sealed manifest."""

    state: State
    reason: Reason
    message: str


GONE = Ending(State.LOST, Reason.POD_GONE, "the pod is gone and its runner sealed no manifest")


def ending_of(pod: k8s.V1Pod | None, container: str) -> Ending:
    """What Kubernetes says of a pod whose runner did not seal its manifest.

    Args:
        pod: as last seen; None when there is none any more.
        container: the container that runs the notebook.
    """
    if pod is None or pod.status is None:
        return GONE
    status = pod.status
    terminated = _container_state(pod, container, "terminated")
    waiting = _container_state(pod, container, "waiting")
    if terminated is not None and terminated.reason == "OOMKilled":
        message = f"the pod used more memory than its limit{_memory_limit(pod, container)} and was killed"
        return Ending(State.FAILED, Reason.OUT_OF_MEMORY, message)
    if status.reason == "DeadlineExceeded":
        return Ending(State.FAILED, Reason.DEADLINE_EXCEEDED, "the pod ran longer than its deadline and was ended")
    if status.reason == "Evicted":
        return Ending(State.LOST, Reason.EVICTED, f"the node evicted the pod: {status.message or 'no reason given'}")
    if waiting is not None and waiting.reason in _IMAGE_REASONS:
        return Ending(State.FAILED, Reason.IMAGE_UNAVAILABLE, f"the image cannot be had: {_said(waiting)}")
    if waiting is not None and waiting.reason in _CONFIG_REASONS:
        return Ending(State.FAILED, Reason.POD_FAILED, f"the container cannot start: {_said(waiting)}")
    if terminated is not None and terminated.reason in _START_REASONS:
        return Ending(State.FAILED, Reason.POD_FAILED, f"the container cannot start: {_said(terminated)}")
    unscheduled = _unscheduled(status)
    if unscheduled:
        return Ending(State.FAILED, Reason.UNSCHEDULABLE, f"no node takes the pod: {unscheduled}")
    if terminated is not None:
        return _terminated(terminated)
    if status.phase == "Pending":
        return Ending(State.FAILED, Reason.POD_FAILED, "the pod did not start in time")
    return Ending(State.LOST, Reason.NEVER_SEALED, f"the pod is {status.phase} and its runner sealed no manifest")


def _terminated(terminated: Any) -> Ending:
    if terminated.exit_code == ExitCode.INVALID_REQUEST:
        return Ending(State.FAILED, Reason.INVALID_REQUEST, f"the runner refused the request: {_said(terminated)}")
    if terminated.exit_code == ExitCode.INTERRUPTED:
        return Ending(State.INTERRUPTED, Reason.TERMINATED, f"the runner was ended: {_said(terminated)}")
    if terminated.exit_code == ExitCode.INFRASTRUCTURE_FAILED:
        return Ending(State.FAILED, Reason.STORE_FAILED, f"the runner could not leave its record: {_said(terminated)}")
    if terminated.exit_code == _SIGKILL:
        return Ending(State.LOST, Reason.POD_FAILED, f"the runner was killed: {_said(terminated)}")
    message = f"the runner ended with exit code {terminated.exit_code} and sealed no manifest: {_said(terminated)}"
    return Ending(State.LOST, Reason.NEVER_SEALED, message)


def _container_state(pod: k8s.V1Pod, container: str, which: str) -> Any:
    for status in pod.status.container_statuses or []:
        if status.name == container and status.state is not None:
            return getattr(status.state, which)
    return None


def image_digest_of(pod: k8s.V1Pod | None, container: str) -> str | None:
    """The digest of the image that a container runs or ran; None where the node does not tell."""
    if pod is None or pod.status is None:
        return None
    statuses = pod.status.container_statuses or []
    return next((image_digest(status.image_id) for status in statuses if status.name == container), None)


def _memory_limit(pod: k8s.V1Pod, container: str) -> str:
    for each in pod.spec.containers if pod.spec is not None else ():
        if each.name == container and each.resources is not None and (each.resources.limits or {}).get("memory"):
            return f" of {each.resources.limits['memory']}"
    return ""


def _unscheduled(status: k8s.V1PodStatus) -> str | None:
    for condition in status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return condition.message or condition.reason or "no reason given"
    return None


def _said(state: Any) -> str:
    """The reason and the last line of the message: for a container that is the end of its log."""
    last = (state.message or "").strip().rsplit("\n", 1)[-1]
    return " ".join(part for part in (state.reason, last) if part).strip() or "no reason given"
