"""A pod's `status`: a pure function of its spec, its previous status and what is known of its containers."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from daybook.contract.quantities import quantity
from daybook.localpods.clock import kubernetes_time
from daybook.localpods.downward import HOST_IP, pod_address
from daybook.localpods.record import Cause, Ending, Record

Json = dict[str, Any]

FINISHED: Final = ("Succeeded", "Failed")
_DEADLINE_MESSAGE: Final = "Pod was active on the node longer than the specified deadline"


@dataclass(frozen=True)
class Waiting:
    """A container that has not been started, with Kubernetes' word for why."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Started:
    """A container that has been started and perhaps has ended.

    Attributes:
        record: as its shim wrote it; it has a start time or an ending.
    """

    record: Record


State = Waiting | Started


def pod_status(pod: Json, states: Mapping[str, State], ended_by: Cause | None, unready: Collection[str] = ()) -> Json:
    """The status of a pod.

    Args:
        pod: with defaults filled in and its status until now.
        states: of each container, by name.
        ended_by: why no container will be started any more; None while some may.
        unready: containers that have a readiness probe which has not succeeded yet, or does not any more.
    """
    spec, previous = pod["spec"], pod.get("status") or {}
    init, main = spec.get("initContainers") or [], spec["containers"]
    initialized = all(_succeeded(states[one["name"]]) for one in init)
    phase = _phase(init, main, states, ended_by)

    def ready(container: Json) -> bool:
        return _is_running(states[container["name"]]) and container["name"] not in unready

    status: Json = {
        "phase": phase,
        "conditions": _conditions(previous, phase, initialized, [one["name"] for one in main if not ready(one)]),
        "hostIP": HOST_IP,
        "hostIPs": [{"ip": HOST_IP}],
        "podIP": pod_address(pod),
        "podIPs": [{"ip": pod_address(pod)}],
        "startTime": previous.get("startTime") or kubernetes_time(),
        "containerStatuses": [_container_status(pod, one, states[one["name"]], ready(one)) for one in main],
        "qosClass": _quality([*main, *init]),
    }
    if init:
        status["initContainerStatuses"] = [
            _container_status(pod, one, states[one["name"]], _succeeded(states[one["name"]])) for one in init
        ]
    if phase == "Failed" and _met_deadline(states, ended_by):
        status |= {"reason": "DeadlineExceeded", "message": _DEADLINE_MESSAGE}
    return status


def ending_of(state: State) -> Ending | None:
    """How a container ended; None while it has not."""
    return state.record.ending if isinstance(state, Started) else None


def _succeeded(state: State) -> bool:
    ending = ending_of(state)
    return ending is not None and ending.exit_code == 0


def _phase(init: Sequence[Json], main: Sequence[Json], states: Mapping[str, State], ended_by: Cause | None) -> str:
    endings = [ending_of(states[one["name"]]) for one in main]
    failed_init = any(ending_of(states[one["name"]]) and not _succeeded(states[one["name"]]) for one in init)
    running = any(isinstance(state, Started) and state.record.ending is None for state in states.values())
    if _met_deadline(states, ended_by) and not running:
        return "Failed"
    if all(endings):
        return "Succeeded" if all(_succeeded(states[one["name"]]) for one in main) else "Failed"
    if (failed_init or ended_by is not None) and not running:
        return "Failed"
    return "Pending" if any(isinstance(states[one["name"]], Waiting) for one in main) else "Running"


def _met_deadline(states: Mapping[str, State], ended_by: Cause | None) -> bool:
    endings = [ending_of(state) for state in states.values()]
    return ended_by == "deadline" or any(ending is not None and ending.cause == "deadline" for ending in endings)


def _conditions(previous: Json, phase: str, initialized: bool, unready: Sequence[str]) -> list[Json]:
    why_not: tuple[str, str] | None = None
    if phase in FINISHED:
        why_not = ("PodCompleted" if phase == "Succeeded" else "PodFailed", "")
    elif unready:
        why_not = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    not_initialized = None if initialized else ("ContainersNotInitialized", "init containers have not completed")
    found = [
        ("PodScheduled", None),
        ("PodReadyToStartContainers", None),
        ("Initialized", not_initialized),
        ("ContainersReady", why_not),
        ("Ready", why_not),
    ]
    earlier = {one["type"]: one for one in previous.get("conditions") or ()}
    return [_condition(kind, problem, earlier.get(kind)) for kind, problem in found]


def _condition(kind: str, problem: tuple[str, str] | None, earlier: Json | None) -> Json:
    status = "True" if problem is None else "False"
    changed = earlier is None or earlier["status"] != status
    since = kubernetes_time() if changed or earlier is None else earlier["lastTransitionTime"]
    condition: Json = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
    if problem is not None:
        condition |= {"reason": problem[0], **({"message": problem[1]} if problem[1] else {})}
    return condition


def _is_running(state: State) -> bool:
    return isinstance(state, Started) and state.record.ending is None


def _container_status(pod: Json, container: Json, state: State, ready: bool) -> Json:
    name = container["name"]
    status: Json = {
        "name": name,
        "image": container["image"],
        "imageID": container["image"] if isinstance(state, Started) else "",
        "ready": ready,
        "started": _is_running(state),
        "restartCount": 0,
        "lastState": {},
        "state": _container_state(pod, container, state),
    }
    if isinstance(state, Started):
        status["containerID"] = _container_id(pod, name)
    return status


def _container_id(pod: Json, name: str) -> str:
    digest = hashlib.sha256(f"{pod['metadata']['uid']}/{name}".encode()).hexdigest()
    return f"localpods://{digest}"


def _container_state(pod: Json, container: Json, state: State) -> Json:
    if isinstance(state, Waiting):
        return {"waiting": {"reason": state.reason, **({"message": state.message} if state.message else {})}}
    record, ending = state.record, state.record.ending
    if ending is None:
        return {"running": {"startedAt": kubernetes_time(record.started_at)}}
    message = ending.message
    fallback = container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    if fallback and ending.exit_code != 0 and ending.cause not in ("start_error", "lost"):
        message = ending.tail or message
    return {
        "terminated": {
            "exitCode": ending.exit_code,
            "reason": _reason(ending),
            **({"message": message} if message else {}),
            "startedAt": kubernetes_time(record.started_at or ending.finished_at),
            "finishedAt": kubernetes_time(ending.finished_at),
            "containerID": _container_id(pod, container["name"]),
        }
    }


def _reason(ending: Ending) -> str:
    known: dict[str, str] = {"oom": "OOMKilled", "start_error": "StartError", "lost": "ContainerStatusUnknown"}
    return known.get(ending.cause, "Completed" if ending.exit_code == 0 else "Error")


def _quality(containers: Sequence[Json]) -> str:
    """Kubernetes' three classes. They change nothing here."""
    asked = [one["resources"].get(kind) or {} for one in containers for kind in ("limits", "requests")]
    if not any(asked):
        return "BestEffort"
    return "Guaranteed" if all(_is_guaranteed(one["resources"]) for one in containers) else "Burstable"


def _is_guaranteed(resources: Json) -> bool:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return all(
        name in limits and name in requests and quantity(limits[name]) == quantity(requests[name])
        for name in ("cpu", "memory")
    )
