"""CPU, memory, disk and GPUs of a pod, as Kubernetes quantities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from kubernetes.client import models as k8s

from daybook.contract.quantities import quantity, whole
from daybook.pods.models import new
from daybook.workspaces import DEFAULT_EPHEMERAL_STORAGE, Wish, Workspace

GPU: Final = "nvidia.com/gpu"
"""The extended resource by which NVIDIA's device plugin offers GPUs."""

STORAGE_REQUEST: Final = "1Gi"
"""Disk that a node must have free for a pod to start there. Less than the limit on purpose: nearly all runs write less,
and a node would take but a few runs if each reserved what the largest may write."""


@dataclass(frozen=True)
class Resources:
    """What a pod asks for.

    Attributes:
        cpu: Kubernetes quantity; a request, not a limit, since throttled cells only take longer.
        memory: Kubernetes quantity; request and limit alike, so that a node is never overbooked.
        ephemeral_storage: Kubernetes quantity; the limit on all that the pod writes to the node's disk.
        gpu: how many; request and limit are one for devices.
    """

    cpu: str
    memory: str
    ephemeral_storage: str = DEFAULT_EPHEMERAL_STORAGE
    gpu: int = 0

    @classmethod
    def choose(cls, workspace: Workspace, wish: Wish) -> Resources:
        """The notebook's wish where it has one, else the workspace's default; nothing is held against the maximum."""
        return cls(
            cpu=wish.cpu or workspace.cpu,
            memory=wish.memory or workspace.memory,
            ephemeral_storage=wish.ephemeral_storage or workspace.ephemeral_storage,
            gpu=wish.gpu,
        )

    @property
    def memory_bytes(self) -> int | None:
        """The memory limit in bytes; None for 0, by which Kubernetes too means that there is none."""
        return whole(quantity(self.memory)) or None

    def more_memory(self, maximum: str | None) -> Resources:
        """Twice the memory, up to a maximum; where there is no maximum nobody has said that there may be more."""
        if maximum is None:
            return self
        twice = min(2 * quantity(self.memory), quantity(maximum))
        return self if twice <= quantity(self.memory) else replace(self, memory=str(whole(twice)))


def requirements(resources: Resources) -> k8s.V1ResourceRequirements:
    """The resources as the container names them."""
    gpus = {GPU: str(resources.gpu)} if resources.gpu else {}
    storage = disk(resources.ephemeral_storage)
    return new(
        k8s.V1ResourceRequirements,
        requests={"cpu": resources.cpu, "memory": resources.memory, **storage.requests, **gpus},
        limits={"memory": resources.memory, **storage.limits, **gpus},
    )


def disk(limit: str) -> k8s.V1ResourceRequirements:
    """The disk alone, for a container whose other resources somebody else says.

    Args:
        limit: Kubernetes quantity, on all that it writes to the node's disk.
    """
    least = min(STORAGE_REQUEST, limit, key=quantity)
    return new(k8s.V1ResourceRequirements, requests={"ephemeral-storage": least}, limits={"ephemeral-storage": limit})
