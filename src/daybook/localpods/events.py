"""Kubernetes events: what happened to a pod, for `kubectl describe` and for the operator's log."""

from __future__ import annotations

import time
import uuid
from typing import Any, Final, Literal

from daybook.localpods.clock import kubernetes_time, seconds_of
from daybook.localpods.limits import EVENT_SECONDS, MAX_EVENTS
from daybook.localpods.state import StateFolder
from daybook.localpods.store import Collection

Json = dict[str, Any]
Kind = Literal["Normal", "Warning"]
_COMPONENT: Final = "localpods"


class Events:
    """Records events. A repeated one is counted up, not added."""

    def __init__(self, collection: Collection, state: StateFolder) -> None:
        self.collection = collection
        self._state = state

    def record(self, pod: Json, reason: str, message: str, *, kind: Kind = "Normal", field_path: str = "") -> None:
        """Adds an event about a pod, or about the container that `field_path` leads to."""
        now = kubernetes_time()
        same = next((one for one in self._of(pod) if _is_same(one, reason, message, field_path)), None)
        if same is not None:
            self.collection.put({**same, "count": same["count"] + 1, "lastTimestamp": now})
        else:
            self.collection.put(_event(pod, reason, message, kind, field_path, now))
            self._expire()
        self._state.save_events(pod["metadata"]["uid"], self._of(pod))

    def load(self, events: list[Json]) -> None:
        """Takes in the events an earlier process saved."""
        for one in events:
            self.collection.load(one)

    def _of(self, pod: Json) -> list[Json]:
        uid = pod["metadata"]["uid"]
        return [one for one in self.collection if one["involvedObject"]["uid"] == uid]

    def _expire(self) -> None:
        """Drops what is old, also of pods that are gone."""
        listed = list(self.collection)
        oldest = time.time() - EVENT_SECONDS
        for at, one in enumerate(listed):
            if at < len(listed) - MAX_EVENTS or seconds_of(one["lastTimestamp"]) < oldest:
                self.collection.remove(one["metadata"]["namespace"], one["metadata"]["name"])


def _is_same(event: Json, reason: str, message: str, field_path: str) -> bool:
    path = event["involvedObject"].get("fieldPath", "")
    return (event["reason"], event["message"], path) == (reason, message, field_path)


def _event(pod: Json, reason: str, message: str, kind: str, field_path: str, now: str) -> Json:
    metadata = pod["metadata"]
    uid = str(uuid.uuid4())
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": f"{metadata['name'][:200]}.{uid.replace('-', '')[:16]}",
            "namespace": metadata["namespace"],
            "uid": uid,
            "creationTimestamp": now,
        },
        "involvedObject": {
            "kind": "Pod",
            "apiVersion": "v1",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
            **({"fieldPath": field_path} if field_path else {}),
        },
        "reason": reason,
        "message": message,
        "source": {"component": _COMPONENT},
        "reportingComponent": _COMPONENT,
        "reportingInstance": _COMPONENT,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "eventTime": None,
        "count": 1,
        "type": kind,
    }
