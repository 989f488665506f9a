"""Whether the container's memory limit was what killed a process: Linux says so in the control group."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryLimit:
    """The memory limit of this process's control group (version 2), as it was when this was made.

    Attributes:
        folder: of the control group; None where there is none.
        kills: how many processes it had killed by then.
    """

    folder: Path | None
    kills: int

    @classmethod
    def here(cls, root: Path = _GROUPS, membership: Path = Path("/proc/self/cgroup")) -> MemoryLimit:
        """The group that this process is in; a machine without such groups has no limit to tell of."""
        with suppress(OSError):
            for line in membership.read_text().splitlines():
                if line.startswith("0::"):
                    folder = root / line.removeprefix("0::").strip().lstrip("/")
                    folder = folder if (folder / "memory.events").exists() else root
                    return cls(folder, _kills(folder))
        return cls(None, 0)

    def was_exceeded(self) -> bool:
        """Whether the kernel of the operating system has killed a process of the group since."""
        return self.folder is not None and _kills(self.folder) > self.kills

    @property
    def shown(self) -> str:
        """The limit, for a person."""
        with suppress(OSError, ValueError):
            return f"{int((self.folder / 'memory.max').read_text()) / 2**20:.0f} MiB" if self.folder else "none"
        return "the machine"


def _kills(folder: Path) -> int:
    with suppress(OSError, ValueError):
        for line in (folder / "memory.events").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0
