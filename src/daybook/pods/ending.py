"""What a pod's status tells: why it ended or never began, to seal an unsealed manifest with; and which image it ran.

The words are Kubernetes' own (1.34): the kubelet's for containers (pkg/kubelet/images, pkg/kubelet/kuberuntime) and
for pods that it turns away or evicts (pkg/kubelet/lifecycle, pkg/kubelet/eviction, pkg/kubelet/nodeshutdown), the
control plane's for the condition `DisruptionTarget`
(https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernetes.client import models as k8s

from daybook.contract.errors import ExitCode
from daybook.contract.images import image_digest
from daybook.contract.manifest import Reason, State

STUCK_SECONDS = 60.0
"""A pod that is still there so long after its grace period is not being ended: its node does not answer."""

_IMAGE_REASONS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
}
_CANNOT_START_REASONS = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "CreatePodSandboxError",
    "ConfigPodSandboxError",
    "PreStartHookError",
    "PostStartHookError",
    "RunContainerError",
    "StartError",
    "ContainerCannotRun",
}
_TURNED_AWAY_REASONS = {
    "NodeAffinity",
    "TaintToleration",
    "UnexpectedAdmissionError",
    "UnexpectedPredicateFailureType",
    "UnknownReason",
    "SupplementalGroupsPolicyNotSupported",
    "TopologyAffinityError",
    "InvalidNodeInfo",
    "PodFeatureUnsupported",
    "PodOSNotSupported",
    "PodOSSelectorNodeLabelDoesNotMatch",
    "AppArmor",
    "SysctlForbidden",
    "NodePorts",
    "NodeName",
}
_SHORT_OF = "OutOf"
"""Begins the reason of a pod that the node turns away for want of something: `OutOfcpu`, `OutOfnvidia.com/gpu`."""

_EVICTING_REASONS = {"Evicted", "Preempting", "Terminated", "NodeShutdown", "Shutdown"}
_LOST_NODE_REASONS = {"NodeLost"}

_DISRUPTIONS = {
    "PreemptionByScheduler": (Reason.EVICTED, "a pod of higher priority took its place"),
    "EvictionByEvictionAPI": (Reason.EVICTED, "it was evicted, as when a node is drained"),
    "TerminationByKubelet": (Reason.EVICTED, "its node ended it: short of resources, shutting down or making room"),
    "DeletionByTaintManager": (Reason.NODE_LOST, "its node was tainted, as one that does not answer is"),
    "DeletionByPodGC": (Reason.NODE_LOST, "its node is gone"),
}
"""Reasons of the condition `DisruptionTarget`."""

_SIGKILL = 137
_ENDED = ("Succeeded", "Failed")


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
    terminated = _container_state(pod, container, "terminated")
    if terminated is not None and terminated.reason == "OOMKilled":
        message = f"the pod used more memory than its limit{_memory_limit(pod, container)} and was killed"
        return Ending(State.FAILED, Reason.OUT_OF_MEMORY, message)
    return _said_of_pod(pod.status) or _said_of_container(pod, container, terminated) or _said_of_phase(pod.status)


def disruption_of(pod: k8s.V1Pod | None) -> Ending | None:
    """Why Kubernetes itself ends a pod; None for one that it lets be.

    Worth asking while the pod is still there: once it is gone nobody knows any more.
    """
    condition = (
        _condition(pod.status, "DisruptionTarget", "True") if pod is not None and pod.status is not None else None
    )
    if condition is None:
        return None
    known = (Reason.EVICTED, f"Kubernetes ended it ({condition.reason})")
    reason, why = _DISRUPTIONS.get(condition.reason, known)
    told = f": {condition.message}" if condition.message else ""
    return Ending(State.LOST, reason, f"the pod was taken away, for {why}{told}")


def has_ended(pod: k8s.V1Pod, container: str) -> bool:
    """Whether a container has ended, whatever else may still run beside it in its pod."""
    if pod.status is None or pod.status.phase in _ENDED:
        return pod.status is not None
    return _container_state(pod, container, "terminated") is not None


def is_stuck(pod: k8s.V1Pod | None, now: datetime) -> bool:
    """Whether a pod should have been gone long ago: its node does not answer, and nobody will say how it ended."""
    if pod is None or pod.metadata is None or pod.metadata.deletion_timestamp is None:
        return False
    # Kubernetes dates the deletion at the end of the grace period.
    return bool((now - pod.metadata.deletion_timestamp).total_seconds() > STUCK_SECONDS)


def stuck_ending(pod: k8s.V1Pod) -> Ending:
    """What to seal the run of a stuck pod with."""
    node = getattr(pod.spec, "node_name", None) or "its node"
    return disruption_of(pod) or Ending(
        State.LOST, Reason.NODE_LOST, f"the pod cannot be ended: {node} does not answer"
    )


def image_digest_of(pod: k8s.V1Pod | None, container: str) -> str | None:
    """The digest of the image that a container runs or ran; None where the node does not tell."""
    if pod is None or pod.status is None:
        return None
    statuses = pod.status.container_statuses or []
    return next((image_digest(status.image_id) for status in statuses if status.name == container), None)


def _said_of_pod(status: k8s.V1PodStatus) -> Ending | None:
    """What the pod's own reason and its conditions say."""
    told = status.message or "no reason given"
    if status.reason == "DeadlineExceeded":
        return Ending(State.FAILED, Reason.DEADLINE_EXCEEDED, "the pod ran longer than its deadline and was ended")
    if status.reason in _LOST_NODE_REASONS:
        return Ending(State.LOST, Reason.NODE_LOST, f"the pod's node does not answer: {told}")
    if status.reason in _EVICTING_REASONS:
        return Ending(State.LOST, Reason.EVICTED, f"the node evicted the pod ({status.reason}): {told}")
    if status.reason in _TURNED_AWAY_REASONS or (status.reason or "").startswith(_SHORT_OF):
        return Ending(State.FAILED, Reason.UNSCHEDULABLE, f"the node did not take the pod ({status.reason}): {told}")
    disruption = disruption_of(k8s.V1Pod(status=status))
    if disruption is not None:
        return disruption
    if status.phase == "Unknown":
        return Ending(State.LOST, Reason.NODE_LOST, "the pod's node does not answer")
    return None


def _said_of_container(pod: k8s.V1Pod, container: str, terminated: Any) -> Ending | None:
    """What the states of its containers say: an init container that fails keeps the notebook's waiting."""
    for state in _states(pod, container):
        waiting = state.waiting
        if waiting is not None and waiting.reason in _IMAGE_REASONS:
            return Ending(State.FAILED, Reason.IMAGE_UNAVAILABLE, f"the image cannot be had: {_said(waiting)}")
        begun = waiting or state.terminated
        if begun is not None and begun.reason in _CANNOT_START_REASONS:
            return Ending(State.FAILED, Reason.CANNOT_START, f"the container cannot start: {_said(begun)}")
    condition = _condition(pod.status, "PodScheduled", "False")
    if condition is not None:
        why = condition.message or condition.reason or "no reason given"
        return Ending(State.FAILED, Reason.UNSCHEDULABLE, f"no node takes the pod: {why}")
    return _terminated(terminated) if terminated is not None else None


def _said_of_phase(status: k8s.V1PodStatus) -> Ending:
    if status.phase == "Pending":
        return Ending(State.FAILED, Reason.POD_FAILED, "the pod did not start in time")
    told = " ".join(part for part in (status.reason, status.message) if part)
    message = f"the pod is {status.phase} and its runner sealed no manifest{': ' + told if told else ''}"
    return Ending(State.LOST, Reason.NEVER_SEALED, message)


def _terminated(terminated: Any) -> Ending:
    if terminated.exit_code == ExitCode.INVALID_REQUEST:
        return Ending(State.FAILED, Reason.INVALID_REQUEST, f"the runner refused the request: {_said(terminated)}")
    if terminated.exit_code == ExitCode.INTERRUPTED:
        return Ending(State.INTERRUPTED, Reason.TERMINATED, f"the runner was ended: {_said(terminated)}")
    if terminated.exit_code == ExitCode.INFRASTRUCTURE_FAILED:
        return Ending(State.FAILED, Reason.STORE_FAILED, f"the runner could not leave its record: {_said(terminated)}")
    if terminated.reason == "ContainerStatusUnknown":
        # What the kubelet writes, with exit code 137, of a container that it cannot find any more: the node restarted.
        return Ending(State.LOST, Reason.NODE_LOST, f"its node lost sight of the container: {_said(terminated)}")
    if terminated.exit_code == _SIGKILL:
        return Ending(State.LOST, Reason.POD_FAILED, f"the runner was killed: {_said(terminated)}")
    message = f"the runner ended with exit code {terminated.exit_code} and sealed no manifest: {_said(terminated)}"
    return Ending(State.LOST, Reason.NEVER_SEALED, message)


def _states(pod: k8s.V1Pod, container: str) -> list[Any]:
    """The states that may say why a pod did not begin: of its init containers, and of the notebook's container."""
    own = [status for status in pod.status.container_statuses or [] if status.name == container]
    statuses = [*(pod.status.init_container_statuses or []), *own]
    return [status.state for status in statuses if status.state is not None]


def _container_state(pod: k8s.V1Pod, container: str, which: str) -> Any:
    for status in pod.status.container_statuses or []:
        if status.name == container and status.state is not None:
            return getattr(status.state, which)
    return None


def _condition(status: k8s.V1PodStatus, kind: str, value: str) -> Any:
    found = (each for each in status.conditions or [] if each.type == kind and each.status == value)
    return next(found, None)


def _memory_limit(pod: k8s.V1Pod, container: str) -> str:
    for each in pod.spec.containers if pod.spec is not None else ():
        if each.name == container and each.resources is not None and (each.resources.limits or {}).get("memory"):
            return f" of {each.resources.limits['memory']}"
    return ""


def _said(state: Any) -> str:
    """The reason and the last line of the message: for a container that is the end of its log."""
    last = (state.message or "").strip().rsplit("\n", 1)[-1]
    return " ".join(part for part in (state.reason, last) if part).strip() or "no reason given"
