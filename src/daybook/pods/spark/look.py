"""What the pod of a Spark server says of its server: it answers, it starts, or it has ended, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from daybook.contract.spark_pod import SPARK_PORT, SPARK_UI_PORT, in_url
from daybook.pods.ending import disruption_of, ending_of
from daybook.pods.spark.build import CONTAINER

START_MARGIN_SECONDS = 600
"""Beyond what the server itself may take from the start of its container: until a node has it, and has the image."""

_NEVER_PULLED = ("InvalidImageName", "ErrImageNeverPull")
_NOT_PULLED = ("ErrImagePull", "ImagePullBackOff")
_NO_SUCH_IMAGE = ("not found", "manifest unknown", "access denied", "unauthorized", "forbidden")
"""What registries say of an image that is not there, or not for us; whatever else they say may pass."""


@dataclass(frozen=True)
class Answers:
    """It answers queries.

    Attributes:
        remote: where, as pyspark takes it.
        ui: where its pages are.
    """

    remote: str
    ui: str


@dataclass(frozen=True)
class Starts:
    """It does not answer yet.

    Attributes:
        why: what it waits for, for a person.
    """

    why: str


@dataclass(frozen=True)
class Ended:
    """It is no server any more, or will never be one.

    Attributes:
        why: the reason, for a person.
        failed: whether something is wrong with it; else it was not needed any more.
    """

    why: str
    failed: bool


Look = Answers | Starts | Ended


def look_at(pod: Any, start_seconds: float, now: datetime) -> Look:
    """What becomes of a server.

    Args:
        pod: a `V1Pod`, of either client, as it is now.
        start_seconds: how long the server may take until it answers, also again.
        now: with a time zone.
    """
    status = pod.status
    if pod.metadata.deletion_timestamp is not None:
        return Ended("its pod is being deleted", failed=False)
    if status.phase == "Succeeded":
        return Ended("it was not used any more", failed=False)
    if status.phase == "Failed":
        return Ended(_said(pod), failed=True)
    ready = _condition(status, "Ready")
    if status.phase == "Running" and ready is not None and ready.status == "True" and status.pod_ip:
        host = in_url(status.pod_ip)
        return Answers(f"sc://{host}:{SPARK_PORT}", f"http://{host}:{SPARK_UI_PORT}")
    if _has_no_image(pod):
        return Ended(ending_of(pod, CONTAINER).message, failed=True)
    limit = timedelta(seconds=start_seconds + START_MARGIN_SECONDS)
    if now - _without_answer_since(pod) > limit:
        return Ended(f"it does not answer after {limit.total_seconds():.0f} s: {_said(pod)}", failed=True)
    return Starts(_waits_for(pod))


def _without_answer_since(pod: Any) -> datetime:
    """Since when it answers nothing: one that has answered for days has not taken that long for its start.

    Nobody but its supervisor ends such a server before the limit; the sessions of others are in it.
    """
    created: datetime = pod.metadata.creation_timestamp
    ready = _condition(pod.status, "Ready")
    return max(created, ready.last_transition_time or created) if ready is not None else created


def _has_answered(pod: Any) -> bool:
    """Whether it was ready once: no container is when it starts, so what turned after that turned twice."""
    running = _state(pod, "running")
    began = running and running.started_at
    return began is not None and _without_answer_since(pod) > began


def _has_no_image(pod: Any) -> bool:
    """Whether there is no image of that name to be had, so that waiting for it is of no use."""
    waiting = _state(pod, "waiting")
    if waiting is None or waiting.reason in _NEVER_PULLED:
        return waiting is not None
    said = (waiting.message or "").lower()
    return waiting.reason in _NOT_PULLED and any(words in said for words in _NO_SUCH_IMAGE)


def _waits_for(pod: Any) -> str:
    if pod.status.phase == "Running":
        return "Spark does not answer at the moment" if _has_answered(pod) else "Spark starts"
    waiting = _state(pod, "waiting")
    if waiting is not None and waiting.reason not in (None, "ContainerCreating", "PodInitializing"):
        return f"{waiting.reason}: {waiting.message or 'no reason given'}"
    scheduled = _condition(pod.status, "PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return f"no node takes its pod: {scheduled.message or scheduled.reason or 'no reason given'}"
    return "its pod starts"


def _said(pod: Any) -> str:
    if pod.status.phase == "Running":
        return "its container runs, and gives no answer"
    terminated = _state(pod, "terminated")
    # A server that its node evicts, or that shuts down, is told to end and ends well: with exit code 0.
    taken_away = pod.status.reason is not None or disruption_of(pod) is not None
    if terminated is not None and not taken_away and terminated.reason not in ("OOMKilled", "ContainerStatusUnknown"):
        return f"exit code {terminated.exit_code}: {(terminated.message or 'no reason given').strip()}"
    return ending_of(pod, CONTAINER).message


def _state(pod: Any, which: str) -> Any:
    """`running`, `waiting` or `terminated` of the first container that is it; None where none is."""
    states = (getattr(one.state, which) for one in pod.status.container_statuses or [] if one.state is not None)
    return next((state for state in states if state is not None), None)


def _condition(status: Any, kind: str) -> Any:
    return next((one for one in status.conditions or [] if one.type == kind), None)
