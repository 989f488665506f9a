"""CPU and memory of a pod, as Kubernetes quantities."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daybook.contract.quantities import quantity, whole
from daybook.workspaces import Workspace


@dataclass(frozen=True)
class Resources:
    """What a pod asks for.

    Attributes:
        cpu: Kubernetes quantity; a request, not a limit, since throttled cells only take longer.
        memory: Kubernetes quantity; request and limit alike, so that a node is never overbooked.
    """

    cpu: str
    memory: str

    @classmethod
    def choose(cls, workspace: Workspace, cpu: str | None, memory: str | None) -> Resources:
        """The notebook's wish where it has one, else the workspace's default."""
        return cls(cpu=cpu or workspace.cpu, memory=memory or workspace.memory)

    def more_memory(self, maximum: str | None) -> Resources:
        """Twice the memory, up to a maximum; where there is no maximum nobody has said that there may be more."""
        if maximum is None:
            return self
        twice = min(2 * quantity(self.memory), quantity(maximum))
        return self if twice <= quantity(self.memory) else replace(self, memory=str(whole(twice)))

    @property
    def memory_bytes(self) -> int | None:
        """The memory limit in bytes; None for 0, by which Kubernetes too means that there is none."""
        return whole(quantity(self.memory)) or None
