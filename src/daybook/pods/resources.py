"""CPU, memory, disk and GPUs of a pod, as Kubernetes quantities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil
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

MORE_MEMORY: Final = 2.0
"""By what memory is multiplied for the next attempt of a run that ran out of it."""

_MEBIBYTE: Final = 2**20


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

    def more_memory(self, factor: float = MORE_MEMORY, maximum: str | None = None) -> Resources | None:
        """The same with more memory, for a further attempt of a run that ran out of it.

        Args:
            factor: by what memory is multiplied.
            maximum: the workspace's, beyond which nothing goes; None where it has none.

        Returns:
            None where there is no more to be had, so that a further attempt would fail like this one.
        """
        now = quantity(self.memory)
        wanted = now * Decimal(str(factor))
        if maximum is not None and wanted >= quantity(maximum):
            return replace(self, memory=maximum) if quantity(maximum) > now else None
        return replace(self, memory=f"{ceil(wanted / _MEBIBYTE)}Mi") if wanted > now else None


def requirements(resources: Resources) -> k8s.V1ResourceRequirements:
    """The resources as the container names them."""
    gpus = {GPU: str(resources.gpu)} if resources.gpu else {}
    least = min(STORAGE_REQUEST, resources.ephemeral_storage, key=quantity)
    return new(
        k8s.V1ResourceRequirements,
        requests={"cpu": resources.cpu, "memory": resources.memory, "ephemeral-storage": least, **gpus},
        limits={"memory": resources.memory, "ephemeral-storage": resources.ephemeral_storage, **gpus},
    )
