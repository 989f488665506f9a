"""All pods of this machine: creating, ending, removing them, and picking them up again after a restart."""

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from daybook.localpods.addresses import address_for
from daybook.localpods.api.errors import already_exists
from daybook.localpods.api.names import MAX_SUBDOMAIN
from daybook.localpods.api.unheeded import ANNOTATION, unheeded
from daybook.localpods.api.validation import NODE_NAME, with_defaults
from daybook.localpods.clock import kubernetes_time, seconds_of
from daybook.localpods.downward import pod_address
from daybook.localpods.handle import Pulse
from daybook.localpods.status import FINISHED
from daybook.localpods.store import Collection
from daybook.localpods.worker import Node, PodWorker

Json = dict[str, Any]
_log = logging.getLogger(__name__)
_NAME_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_NAME_LETTER_COUNT: Final = 5


@dataclass(frozen=True)
class Work:
    """A pod's worker and the task it runs in."""

    worker: PodWorker
    task: asyncio.Task[None]


class Supervisor:
    """Owns the workers.

    Args:
        node: what the pods share.
        owned: what was made through the API and goes with the pods that own it: Secrets, Services.
        keep_finished: how many finished pods stay before the oldest are removed.
    """

    def __init__(self, node: Node, owned: Sequence[Collection], keep_finished: int) -> None:
        self.node = node
        self._owned = owned
        self._keep_finished = keep_finished
        self._work: dict[str, Work] = {}
        self._sweeps: set[asyncio.Task[None]] = set()

    def load(self) -> None:
        """Takes up every pod an earlier localpods has left: finished ones stay, the others go on."""
        for pod, events in self.node.state.load():
            self.node.pods.load(pod)
            self.node.events.load(events)
        for pod in self.node.pods:
            if pod["status"]["phase"] not in FINISHED or "deletionTimestamp" in pod["metadata"]:
                self._take_up(pod)
        self._collect()
        self.collect_owned()

    async def close(self) -> None:
        """Lets go of all pods; their containers run on."""
        tasks = [work.task for work in self._work.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._sweeps, return_exceptions=True)

    def create(self, namespace: str, sent: Json, *, dry_run: bool) -> Json:
        """Adds a valid pod and starts it.

        Raises:
            ApiError: 409, the name is taken.
        """
        pod = _new_pod(namespace, sent, [pod_address(one) for one in self.node.pods])
        name = pod["metadata"]["name"]
        if self.node.pods.get(namespace, name) is not None:
            raise already_exists("pods", name)
        if dry_run:
            return pod
        pod = self.node.pods.put(pod)
        self.node.events.record(pod, "Scheduled", f"Successfully assigned {namespace}/{name} to {NODE_NAME}")
        self._spawn(pod)
        return pod

    def delete(self, pod: Json, grace_seconds: float | None) -> Json:
        """Ends a pod and then removes it; a finished one is removed at once. Returns the pod as it is now."""
        metadata, uid = pod["metadata"], pod["metadata"]["uid"]
        if pod["status"]["phase"] in FINISHED and uid not in self._work:
            self._remove(pod)
            return pod
        grace = float(pod["spec"]["terminationGracePeriodSeconds"] if grace_seconds is None else grace_seconds)
        end = time.time() + grace
        if "deletionTimestamp" not in metadata or end < seconds_of(metadata["deletionTimestamp"]):
            marks = {"deletionTimestamp": kubernetes_time(end), "deletionGracePeriodSeconds": int(grace)}
            pod = self.node.pods.put({**pod, "metadata": {**metadata, **marks}})
        if uid not in self._work:
            self._spawn(pod)
        self._work[uid].worker.stop(grace, "stopped")
        return pod

    def secret_changed(self, namespace: str) -> None:
        """Lets the pods that may wait for a Secret, or have it as files, look again; removes what no pod owns."""
        for work in self._work.values():
            if work.worker.namespace == namespace:
                work.worker.refill()
        self.collect_owned()

    def collect_owned(self) -> None:
        """Removes the Secrets and Services whose owners are all gone, as Kubernetes' garbage collection does."""
        alive = {pod["metadata"]["uid"] for pod in self.node.pods}
        for collection in self._owned:
            for one in collection:
                owners = one["metadata"].get("ownerReferences") or ()
                if owners and not any(owner.get("uid") in alive for owner in owners):
                    collection.remove(one["metadata"]["namespace"], one["metadata"]["name"])

    def pulse(self, uid: str, container: str) -> Pulse | None:
        """What beats when a container's log grows or it ends; None when nothing more will come of it."""
        work = self._work.get(uid)
        handle = work.worker.handles.get(container) if work is not None else None
        return handle.pulse if handle is not None and not handle.gone else None

    def _take_up(self, pod: Json) -> None:
        self._spawn(pod)
        if "deletionTimestamp" in pod["metadata"]:
            left = seconds_of(pod["metadata"]["deletionTimestamp"]) - time.time()
            self._work[pod["metadata"]["uid"]].worker.stop(max(0.0, left), "stopped")

    def _spawn(self, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        worker = PodWorker(self.node, pod)
        task = asyncio.get_running_loop().create_task(worker.run(), name=f"pod {uid}")
        self._work[uid] = Work(worker, task)
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        task.add_done_callback(lambda done: None if done.cancelled() else self._finished(uid, *key))

    def _finished(self, uid: str, namespace: str, name: str) -> None:
        self._work.pop(uid, None)
        pod = self.node.pods.get(namespace, name)
        if pod is not None and "deletionTimestamp" in pod["metadata"]:
            self._remove(pod)
        self._collect()

    def _remove(self, pod: Json) -> None:
        metadata = pod["metadata"]
        self.node.pods.remove(metadata["namespace"], metadata["name"])
        self.collect_owned()
        sweep = asyncio.get_running_loop().create_task(asyncio.to_thread(self.node.state.sweep, metadata["uid"]))
        self._sweeps.add(sweep)
        sweep.add_done_callback(self._sweeps.discard)

    def _collect(self) -> None:
        """Removes the finished pods beyond the number to keep, oldest end first."""
        finished = [pod for pod in self.node.pods if pod["status"]["phase"] in FINISHED]
        finished.sort(key=_finished_at)
        for pod in finished[: max(0, len(finished) - self._keep_finished)]:
            if pod["metadata"]["uid"] not in self._work:
                self._remove(pod)


def _finished_at(pod: Json) -> str:
    """The last end of any container, as text that sorts by time; of a pod that ran none, its creation."""
    states = [one["state"] for one in pod["status"].get("containerStatuses") or ()]
    ends = [state["terminated"]["finishedAt"] for state in states if "terminated" in state]
    return max(map(str, [pod["metadata"]["creationTimestamp"], *ends]))


def _new_pod(namespace: str, sent: Json, taken: Sequence[str]) -> Json:
    pod = with_defaults(sent)
    now = kubernetes_time()
    given = pod["metadata"]
    kept = {key: given[key] for key in ("generateName", "labels", "annotations", "ownerReferences") if given.get(key)}
    name = given.get("name") or _generated(given["generateName"])
    own = {"name": name, "namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": now}
    pod["spec"]["nodeName"] = NODE_NAME
    ignored = unheeded(sent["spec"])
    if ignored:
        kept["annotations"] = {**(kept.get("annotations") or {}), ANNOTATION: ", ".join(ignored)}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {**kept, **own},
        "spec": pod["spec"],
        "status": {"phase": "Pending", "startTime": now, "podIP": address_for(pod["spec"], taken)},
    }


def _generated(prefix: str) -> str:
    """The prefix and five letters, as Kubernetes does it; names are no secrets."""
    letters = random.choices(_NAME_LETTERS, k=_NAME_LETTER_COUNT)  # noqa: S311
    return prefix[: MAX_SUBDOMAIN - _NAME_LETTER_COUNT] + "".join(letters)
