"""Why a pod ended: the reason that an unsealed manifest is sealed with."""

from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import models as k8s

from daybook.contract.errors import ExitCode
from daybook.contract.manifest import FINAL_STATES, Reason, State, exit_code_for
from daybook.pods import CONTAINER, GONE, Ending, ending_of, image_digest_of, is_stuck, stuck_ending

DIGEST = "sha256:" + "a" * 64
INFRASTRUCTURE = ExitCode.INFRASTRUCTURE_FAILED


def a_pod(phase, *, state=None, container=CONTAINER, condition=None, image_id="", init=None, disruption=None, **status):
    """A pod as last seen; `state` is its container's, `init` its init container's, `condition` says why it is not
    scheduled, `disruption` why Kubernetes takes it away."""
    containers = [
        k8s.V1ContainerStatus(name=container, image="i", image_id=image_id, ready=False, restart_count=0, state=state)
    ]
    conditions = [k8s.V1PodCondition(type="PodScheduled", status="False", **condition)] if condition else []
    if disruption is not None:
        conditions.append(k8s.V1PodCondition(type="DisruptionTarget", status="True", reason=disruption, message="so"))
    if init is not None:
        status["init_container_statuses"] = [
            k8s.V1ContainerStatus(name="init", image="i", image_id="", ready=False, restart_count=0, state=init)
        ]
    return k8s.V1Pod(
        status=k8s.V1PodStatus(phase=phase, container_statuses=containers, conditions=conditions, **status)
    )


def ended(exit_code, reason="Error", message=None):
    return k8s.V1ContainerState(
        terminated=k8s.V1ContainerStateTerminated(exit_code=exit_code, reason=reason, message=message)
    )


def waiting(reason, message=None):
    return k8s.V1ContainerState(waiting=k8s.V1ContainerStateWaiting(reason=reason, message=message))


RUNNING = k8s.V1ContainerState(running=k8s.V1ContainerStateRunning())
NO_NODE = {"reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient memory."}

TABLE = {
    "a device of another vendor is taken": (
        a_pod("Failed", reason="OutOfamd.com/gpu", message="Node didn't have enough resource"),
        State.FAILED,
        Reason.UNSCHEDULABLE,
        INFRASTRUCTURE,
        "the node did not take the pod",
    ),
    "tainted meanwhile": (
        a_pod("Failed", reason="TaintToleration", message="Predicate TaintToleration failed"),
        State.FAILED,
        Reason.UNSCHEDULABLE,
        INFRASTRUCTURE,
        "the node did not take the pod",
    ),
    "no pod": (None, State.LOST, Reason.POD_GONE, INFRASTRUCTURE, "the pod is gone"),
    "no status": (k8s.V1Pod(), State.LOST, Reason.POD_GONE, INFRASTRUCTURE, "the pod is gone"),
    "exit 0": (
        a_pod("Succeeded", state=ended(0, "Completed")),
        State.LOST,
        Reason.NEVER_SEALED,
        INFRASTRUCTURE,
        "exit code 0",
    ),
    "exit 1": (a_pod("Failed", state=ended(1)), State.LOST, Reason.NEVER_SEALED, INFRASTRUCTURE, "exit code 1"),
    "exit 2": (
        a_pod("Failed", state=ended(2, message="no such notebook")),
        State.FAILED,
        Reason.INVALID_REQUEST,
        ExitCode.INVALID_REQUEST,
        "refused the request: Error no such notebook",
    ),
    "exit 3": (
        a_pod("Failed", state=ended(3, message="bucket full")),
        State.FAILED,
        Reason.STORE_FAILED,
        INFRASTRUCTURE,
        "could not leave its record: Error bucket full",
    ),
    "exit 137": (a_pod("Failed", state=ended(137)), State.LOST, Reason.POD_FAILED, INFRASTRUCTURE, "was killed"),
    "exit 143": (
        a_pod("Failed", state=ended(143)),
        State.INTERRUPTED,
        Reason.TERMINATED,
        ExitCode.INTERRUPTED,
        "was ended",
    ),
    "exit 139": (a_pod("Failed", state=ended(139)), State.LOST, Reason.NEVER_SEALED, INFRASTRUCTURE, "exit code 139"),
    "out of memory": (
        a_pod("Failed", state=ended(137, "OOMKilled")),
        State.FAILED,
        Reason.OUT_OF_MEMORY,
        ExitCode.NOTEBOOK_FAILED,
        "more memory than its limit",
    ),
    "out of memory and evicted": (
        a_pod("Failed", state=ended(137, "OOMKilled"), reason="Evicted"),
        State.FAILED,
        Reason.OUT_OF_MEMORY,
        ExitCode.NOTEBOOK_FAILED,
        "more memory",
    ),
    "evicted": (
        a_pod("Failed", reason="Evicted", message="The node was low on resource: memory."),
        State.LOST,
        Reason.EVICTED,
        INFRASTRUCTURE,
        "low on resource",
    ),
    "evicted while ending": (
        a_pod("Failed", state=ended(143), reason="Evicted"),
        State.LOST,
        Reason.EVICTED,
        INFRASTRUCTURE,
        "no reason given",
    ),
    "deadline": (
        a_pod("Failed", state=ended(143), reason="DeadlineExceeded"),
        State.FAILED,
        Reason.DEADLINE_EXCEEDED,
        ExitCode.NOTEBOOK_FAILED,
        "longer than its deadline",
    ),
    **{
        reason: (
            a_pod("Pending", state=waiting(reason, "pull access denied")),
            State.FAILED,
            Reason.IMAGE_UNAVAILABLE,
            INFRASTRUCTURE,
            f"the image cannot be had: {reason} pull access denied",
        )
        for reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
    },
    "no such secret": (
        a_pod("Pending", state=waiting("CreateContainerConfigError", 'secret "s3" not found')),
        State.FAILED,
        Reason.CANNOT_START,
        INFRASTRUCTURE,
        'cannot start: CreateContainerConfigError secret "s3" not found',
    ),
    "no such command": (
        a_pod("Failed", state=ended(128, "StartError", "exec: not found")),
        State.FAILED,
        Reason.CANNOT_START,
        INFRASTRUCTURE,
        "cannot start: StartError exec: not found",
    ),
    "no node": (
        a_pod("Pending", condition=NO_NODE),
        State.FAILED,
        Reason.UNSCHEDULABLE,
        INFRASTRUCTURE,
        "Insufficient memory",
    ),
    **{
        f"disrupted by {word}": (
            a_pod("Failed", state=ended(143), disruption=word),
            State.LOST,
            reason,
            INFRASTRUCTURE,
            "the pod was taken away, for",
        )
        for word, reason in {
            "PreemptionByScheduler": Reason.EVICTED,
            "EvictionByEvictionAPI": Reason.EVICTED,
            "TerminationByKubelet": Reason.EVICTED,
            "DeletionByTaintManager": Reason.NODE_LOST,
            "DeletionByPodGC": Reason.NODE_LOST,
            "SomethingNew": Reason.EVICTED,
        }.items()
    },
    **{
        f"pod {word}": (a_pod("Failed", reason=word, message="why"), state, reason, INFRASTRUCTURE, "why")
        for word, state, reason in (
            ("NodeLost", State.LOST, Reason.NODE_LOST),
            ("Terminated", State.LOST, Reason.EVICTED),  # graceful node shutdown
            ("Preempting", State.LOST, Reason.EVICTED),  # the kubelet makes room for a critical pod
            ("OutOfmemory", State.FAILED, Reason.UNSCHEDULABLE),
            ("NodeAffinity", State.FAILED, Reason.UNSCHEDULABLE),
            ("UnexpectedAdmissionError", State.FAILED, Reason.UNSCHEDULABLE),
            ("SomethingNew", State.LOST, Reason.NEVER_SEALED),
        )
    },
    "the node restarted": (
        a_pod("Failed", state=ended(137, "ContainerStatusUnknown", "could not be located")),
        State.LOST,
        Reason.NODE_LOST,
        INFRASTRUCTURE,
        "could not be located",
    ),
    "no container can be created": (
        a_pod("Pending", state=waiting("CreateContainerError", "no space left")),
        State.FAILED,
        Reason.CANNOT_START,
        INFRASTRUCTURE,
        "no space left",
    ),
    "an init container's image": (
        a_pod("Pending", state=waiting("PodInitializing"), init=waiting("ErrImagePull", "not found")),
        State.FAILED,
        Reason.IMAGE_UNAVAILABLE,
        INFRASTRUCTURE,
        "not found",
    ),
    "pending": (a_pod("Pending"), State.FAILED, Reason.POD_FAILED, INFRASTRUCTURE, "did not start in time"),
    "creating": (
        a_pod("Pending", state=waiting("ContainerCreating")),
        State.FAILED,
        Reason.POD_FAILED,
        INFRASTRUCTURE,
        "did not start in time",
    ),
    "running": (a_pod("Running", state=RUNNING), State.LOST, Reason.NEVER_SEALED, INFRASTRUCTURE, "the pod is Running"),
    "node gone": (a_pod("Unknown"), State.LOST, Reason.NODE_LOST, INFRASTRUCTURE, "node does not answer"),
    "another container's end": (
        a_pod("Running", state=ended(2), container="sidecar"),
        State.LOST,
        Reason.NEVER_SEALED,
        INFRASTRUCTURE,
        "the pod is Running",
    ),
    "no containers": (
        k8s.V1Pod(status=k8s.V1PodStatus(phase="Failed")),
        State.LOST,
        Reason.NEVER_SEALED,
        INFRASTRUCTURE,
        "the pod is Failed",
    ),
}


@pytest.mark.parametrize(("pod", "state", "reason", "exit_code", "message"), TABLE.values(), ids=TABLE)
def test_what_kubernetes_says_becomes_state_reason_and_message(pod, state, reason, exit_code, message):
    ending = ending_of(pod, CONTAINER)
    assert (ending.state, ending.reason) == (state, reason)
    assert message in ending.message
    assert exit_code_for(ending.state, ending.reason) is exit_code


@pytest.mark.parametrize("case", TABLE)
def test_no_pod_makes_an_unsealed_run_a_success(case):
    """Whatever Kubernetes says, even exit code 0: the run is what its manifest says."""
    ending = ending_of(TABLE[case][0], CONTAINER)
    assert ending.state in FINAL_STATES - {State.SUCCEEDED}


@pytest.mark.parametrize(("late", "stuck"), [(None, False), (-30, False), (30, False), (90, True)])
def test_a_pod_long_past_its_end_is_stuck_on_a_node_that_does_not_answer(late, stuck):
    """`late` seconds after its grace period, which is when Kubernetes dates the deletion."""
    pod = a_pod("Running", state=RUNNING)
    now = datetime.now(UTC)
    pod.metadata = k8s.V1ObjectMeta(deletion_timestamp=None if late is None else now - timedelta(seconds=late))
    pod.spec = k8s.V1PodSpec(containers=[], node_name="node-7")
    assert is_stuck(pod, now) == stuck
    assert stuck_ending(pod) == Ending(State.LOST, Reason.NODE_LOST, "the pod cannot be ended: node-7 does not answer")


def test_a_pod_that_is_gone_is_lost():
    assert ending_of(None, CONTAINER) is GONE


def test_a_pod_that_was_too_large_is_told_its_limit():
    pod = a_pod("Failed", state=ended(137, "OOMKilled"))
    limits = {"sidecar": {"memory": "1Mi"}, CONTAINER: {"memory": "2Gi"}}
    containers = [
        k8s.V1Container(name=name, resources=k8s.V1ResourceRequirements(limits=limit)) for name, limit in limits.items()
    ]
    pod.spec = k8s.V1PodSpec(containers=containers)
    assert ending_of(pod, CONTAINER).message == "the pod used more memory than its limit of 2Gi and was killed"
    containers[1].resources.limits = None
    assert ending_of(pod, CONTAINER).message == "the pod used more memory than its limit and was killed"


@pytest.mark.parametrize(
    ("pod", "digest"),
    [
        (a_pod("Running", image_id=f"registry.example:5000/daybook/notebook@{DIGEST}"), DIGEST),
        (a_pod("Running", image_id=DIGEST), DIGEST),
        (a_pod("Running", image_id="daybook/notebook:latest"), None),
        (a_pod("Pending"), None),
        (a_pod("Running", container="sidecar", image_id=DIGEST), None),
        (k8s.V1Pod(), None),
        (None, None),
    ],
)
def test_the_image_that_ran_is_known_where_the_node_tells(pod, digest):
    assert image_digest_of(pod, CONTAINER) == digest
