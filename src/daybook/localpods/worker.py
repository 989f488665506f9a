"""The life of one pod, from its creation, or from where an earlier localpods left it, to its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybook.localpods.events import Events, Kind
from daybook.localpods.handle import ShimHandle, attach, start_shim
from daybook.localpods.images import ImageProblem, find_image
from daybook.localpods.launching import ConfigProblem, deadline_of, launch_of
from daybook.localpods.limits import PULL_BACKOFF_SECONDS
from daybook.localpods.lost import found_dead, killed_under_way, never_started
from daybook.localpods.mounts import MountProblem, Mounts, holds_secrets
from daybook.localpods.probing import Readiness
from daybook.localpods.record import Cause, Launch, Record, read_record
from daybook.localpods.secrets import Secrets
from daybook.localpods.state import StateFolder
from daybook.localpods.status import FINISHED, Started, State, Waiting, ending_of, pod_status
from daybook.localpods.store import Collection

Json = dict[str, Any]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Node:
    """What every pod on this machine shares."""

    pods: Collection
    events: Events
    state: StateFolder
    images: Path
    secrets: Secrets
    mounts: Mounts


class PodWorker:
    """Takes one pod through its containers and keeps the pod's status true.

    Attributes:
        namespace: the pod's.
        handles: the shims of this pod's containers that have been reached, by container name.
    """

    def __init__(self, node: Node, pod: Json) -> None:
        self._node = node
        self._key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        self.namespace: str = pod["metadata"]["namespace"]
        self._uid: str = pod["metadata"]["uid"]
        self._spec: Json = pod["spec"]
        self._states: dict[str, State] = {}
        self._stopping = asyncio.Event()
        self._nudged = asyncio.Event()
        self._renewal: asyncio.TimerHandle | None = None
        self._ended_by: Cause | None = None
        self._kill_at: float | None = None
        self.handles: dict[str, ShimHandle] = {}
        self._readiness = Readiness(self._spec["containers"], self._told_ready)
        for one in self._spec["containers"]:
            self._states[one["name"]] = Waiting("PodInitializing" if self._init else "ContainerCreating")
        for one in self._init:
            self._states[one["name"]] = Waiting("PodInitializing")

    @property
    def _home(self) -> Path:
        return self._node.state.home(self._uid)

    @property
    def _init(self) -> list[Json]:
        return self._spec.get("initContainers") or []

    @property
    def _pod(self) -> Json:
        pod = self._node.pods.get(*self._key)
        if pod is None:
            raise LookupError(f"pod {self._key} is gone while it is being worked on")
        return pod

    async def run(self) -> None:
        """Returns when every container has ended. Cancelled, it leaves running containers alone."""
        deadline = deadline_of(self._pod)
        left = None if deadline is None else max(0.0, deadline - time.time())
        timer = None if left is None else asyncio.get_running_loop().call_later(left, self._meet_deadline)
        try:
            self._node.state.prepare(self._pod)
            self._remember()
            self.refill()
            self._publish()
            await self._run_containers()
            self._node.mounts.clear(self._pod)
            self._publish()
        except Exception as problem:  # noqa: BLE001 - the edge of this pod: nobody beyond would tell
            _log.exception("pod %s/%s", *self._key)
            self._give_up(problem)
        finally:
            for one in (timer, self._renewal):
                if one is not None:
                    one.cancel()
            for handle in self.handles.values():
                handle.close()

    def stop(self, grace_seconds: float, cause: Cause) -> None:
        """Ends the pod: SIGTERM to its containers now, SIGKILL after the grace. Again, the time only gets shorter."""
        kill_at = time.time() + grace_seconds
        self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)
        self._ended_by = self._ended_by or cause
        self._stopping.set()
        self._nudged.set()
        for name, handle in self.handles.items():
            if not handle.gone and not ending_of(self._states[name]):
                self._event("Killing", f"Stopping container {name}", name)
                handle.stop(grace_seconds, cause)

    def refill(self) -> None:
        """Brings the volumes up to date, where they can be filled by now, and lets a waiting container look again."""
        if self._renewal is not None:
            self._renewal.cancel()
        wait = None
        with suppress(MountProblem, OSError):
            wait = self._node.mounts.fill(self._pod)
        if wait is not None:
            self._renewal = asyncio.get_running_loop().call_later(wait, self.refill)
        self._nudged.set()

    async def _run_containers(self) -> None:
        for container in self._init:
            await self._run(container)
            ending = ending_of(self._states[container["name"]])
            if ending is None or ending.exit_code != 0:
                return
        async with asyncio.TaskGroup() as group:
            for container in self._spec["containers"]:
                group.create_task(self._run(container))

    def _remember(self) -> None:
        """What an earlier localpods has already started or seen end."""
        for name in self._states:
            record = read_record(self._node.state.container(self._uid, name))
            if record is not None and (record.started_at or record.ending):
                self._states[name] = Started(record)

    async def _run(self, container: Json) -> None:
        """One container from wherever it is now to its end; returns early when it is no longer to be started."""
        name = container["name"]
        folder = self._node.state.container(self._uid, name)
        handle = attach(folder)
        record = read_record(folder)
        if handle is None and record is not None:
            if record.ending is None:
                self._event("ContainerStatusUnknown", f"Container {name} is lost", name, kind="Warning")
                record = await asyncio.to_thread(found_dead, folder, record, self._own_home(name))
            return self._take(name, record)
        handle = handle or await self._begin(container, folder)
        if handle is not None:
            self.handles[name] = handle
            if self._kill_at is not None:
                handle.stop(max(0.0, self._kill_at - time.time()), self._ended_by or "stopped")
            following, launch = self._follow(name, handle), lambda: self._launch_of(container)
            await self._readiness.alongside(following, container, self._home, launch)
        return None

    def _launch_of(self, container: Json) -> Launch | None:
        with suppress(ImageProblem, ConfigProblem, OSError):
            image = find_image(self._node.images, container["image"])
            return launch_of(self._pod, container, image, self._home, self._node.secrets)
        return None

    def _told_ready(self, name: str, ready: bool) -> None:
        if not ready:
            self._event("Unhealthy", "Readiness probe failed", name, kind="Warning")
        self._publish()

    async def _begin(self, container: Json, folder: Path) -> ShimHandle | None:
        """Starts a container once image and secrets are there; None when the pod is being ended meanwhile."""
        waits = _backoff()
        while not self._stopping.is_set():
            wait = next(waits)
            try:
                return self._start(container, folder)
            except ImageProblem as problem:
                self._report_image(container, problem, first=wait == PULL_BACKOFF_SECONDS[0])
            except ConfigProblem as problem:
                self._report(container["name"], "CreateContainerConfigError", str(problem))
            except MountProblem as problem:
                self._event("FailedMount", str(problem), kind="Warning")
            except OSError as problem:
                self._report(container["name"], "CreateContainerError", str(problem))
            if not self._stopping.is_set():
                self._nudged.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._nudged.wait(), wait)
        return None

    def _start(self, container: Json, folder: Path) -> ShimHandle:
        if any(holds_secrets(volume) for volume in self._spec.get("volumes") or ()):
            self._node.mounts.fill(self._pod)
        name, image = container["name"], find_image(self._node.images, container["image"])
        launch = launch_of(self._pod, container, image, self._home, self._node.secrets)
        handle = start_shim(folder, launch)
        self._event("Pulled", f'Container image "{container["image"]}" already present on machine', name)
        self._event("Created", f"Created container: {name}", name)
        return handle

    def _report(self, name: str, reason: str, message: str) -> None:
        self._event("Failed", f"Error: {message}", name, kind="Warning")
        self._set(name, Waiting(reason, message))

    def _report_image(self, container: Json, problem: ImageProblem, *, first: bool) -> None:
        name, image = container["name"], container["image"]
        if problem.reason == "InvalidImageName":
            self._event("InspectFailed", f'Failed to inspect image "{image}": {problem}', name, kind="Warning")
            self._set(name, Waiting("InvalidImageName", str(problem)))
        elif first:
            self._event("Pulling", f'Pulling image "{image}"', name)
            self._event("Failed", f'Failed to pull image "{image}": {problem}', name, kind="Warning")
            self._event("Failed", "Error: ErrImagePull", name, kind="Warning")
            self._set(name, Waiting("ErrImagePull", str(problem)))
        else:
            self._event("BackOff", f'Back-off pulling image "{image}"', name)
            message = f'Back-off pulling image "{image}": ErrImagePull: {problem}'
            self._set(name, Waiting("ImagePullBackOff", message))

    async def _follow(self, name: str, handle: ShimHandle) -> None:
        """Takes over what the shim records until it has recorded the end, or is gone."""
        while True:
            beat = handle.pulse.next()
            record = handle.record()
            if record is not None and (record.started_at or record.ending):
                self._take(name, record)
            if handle.gone:
                break
            await beat
        await handle.reap()
        if ending_of(self._states[name]) is None:
            self._take(name, await self._shim_died(name, handle))

    def _take(self, name: str, record: Record) -> None:
        if isinstance(self._states[name], Waiting):
            if record.started_at:
                self._event("Started", f"Started container {name}", name)
            elif record.ending:
                self._event("Failed", f"Error: {record.ending.message}", name, kind="Warning")
        self._set(name, Started(record))

    async def _shim_died(self, name: str, handle: ShimHandle) -> Record:
        record = handle.record()
        if record is None:
            return never_started(handle.folder, handle.errors())
        self._event("ContainerStatusUnknown", f"Container {name} is lost", name, kind="Warning")
        return await asyncio.to_thread(killed_under_way, handle.folder, record, self._own_home(name))

    def _own_home(self, name: str) -> Path | None:
        """The pod's home when no other container of the pod lives: then all that has it as HOME is of this one."""
        others = [one for other, one in self.handles.items() if other != name and not one.gone]
        return None if others else self._home

    def _meet_deadline(self) -> None:
        """Containers that run are ended by their shims, which know the deadline too; here it is for the others."""
        self._event("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
        self._ended_by = self._ended_by or "deadline"
        self._stopping.set()
        self._nudged.set()

    def _give_up(self, problem: Exception) -> None:
        """A fault of localpods or of the disk: the pod must not look as if it went on."""
        pod = self._node.pods.get(*self._key)
        if isinstance(problem, ExceptionGroup):
            problem = problem.exceptions[0]
        if pod is not None and pod["status"].get("phase") not in FINISHED:
            message = f"localpods lost track of this pod: {problem}"
            self._node.pods.put({**pod, "status": {**pod["status"], "phase": "Unknown", "message": message}})

    def _set(self, name: str, state: State) -> None:
        if self._states[name] != state:
            self._states[name] = state
            self._publish()

    def _publish(self) -> None:
        pod = self._pod
        status = pod_status(pod, self._states, self._ended_by, self._readiness.unready)
        if status != pod.get("status"):
            self._node.pods.put({**pod, "status": status})

    def _event(self, reason: str, message: str, container: str = "", kind: Kind = "Normal") -> None:
        field = "initContainers" if container in {one["name"] for one in self._init} else "containers"
        path = f"spec.{field}{{{container}}}" if container else ""
        self._node.events.record(self._pod, reason, message, kind=kind, field_path=path)


def _backoff() -> Iterator[float]:
    yield from PULL_BACKOFF_SECONDS
    while True:
        yield PULL_BACKOFF_SECONDS[-1]
