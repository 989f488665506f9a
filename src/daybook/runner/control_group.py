"""The control group whose memory limit holds for this process: how Linux limits a container, in both versions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
MEMORY_OF_MACHINE = Path("/proc/meminfo")


@dataclass(frozen=True)
class _Files:
    """What a version calls its files, and the entries of `memory.stat` that Linux gives back before it kills."""

    limit: str
    used: str
    reclaimable: tuple[str, ...]
    kills: str
    swap_limit: str
    swap_used: str


_VERSION_2 = _Files(
    limit="memory.max",
    used="memory.current",
    reclaimable=("inactive_file", "active_file", "slab_reclaimable"),
    kills="memory.events",
    swap_limit="memory.swap.max",
    swap_used="memory.swap.current",
)
_VERSION_1 = _Files(
    limit="memory.limit_in_bytes",
    used="memory.usage_in_bytes",
    reclaimable=("total_inactive_file", "total_active_file"),
    kills="memory.oom_control",
    # These two count memory and swap together; the difference is what is left all the same.
    swap_limit="memory.memsw.limit_in_bytes",
    swap_used="memory.memsw.usage_in_bytes",
)


@dataclass(frozen=True)
class ControlGroup:
    """A group with a memory limit.

    Attributes:
        folder: where Linux shows it.
        limit_bytes: how much memory its processes may use together.
    """

    folder: Path
    limit_bytes: int
    _files: _Files

    @classmethod
    def here(
        cls, groups: Path = GROUPS, membership: Path = MEMBERSHIP, machine: Path = MEMORY_OF_MACHINE
    ) -> ControlGroup | None:
        """The group with the lowest limit among those this process is in; None where nothing limits it.

        A limit above the machine's memory is none. In a container its own group may stand at the top, whatever the
        path that `/proc` tells.
        """
        total = _entry(machine, "MemTotal:")
        bound = total * 1024 if total else 2**60
        found = [
            cls(folder, limit, files)
            for folder, files in _folders(groups, membership)
            if (limit := _number(folder / files.limit)) is not None and limit < bound
        ]
        return min(found, key=lambda group: group.limit_bytes, default=None)

    def used_bytes(self) -> int | None:
        """Memory that Linux cannot take back: without what it only holds of files; shared memory counts."""
        used = _number(self.folder / self._files.used)
        if used is None:
            return None
        entries = _entries(self.folder / "memory.stat")
        return max(0, used - sum(entries.get(name, 0) for name in self._files.reclaimable))

    def swap_left_bytes(self, machine: Path = MEMORY_OF_MACHINE) -> int:
        """How much could still be moved to swap instead; 0 on a node of Kubernetes, as a rule."""
        free = (_entry(machine, "SwapFree:") or 0) * 1024
        limit = _number(self.folder / self._files.swap_limit)
        if not free or limit is None:
            return free
        return max(0, min(free, limit - (_number(self.folder / self._files.swap_used) or 0)))

    def kills(self) -> int:
        """How many of its processes Linux has killed because of the limit."""
        return _entry(self.folder / self._files.kills, "oom_kill") or 0

    def members(self) -> Iterator[int]:
        """The processes in it and in the groups below."""
        for file in self.folder.rglob("cgroup.procs"):
            with suppress(OSError, ValueError):
                yield from map(int, file.read_text().split())


def _folders(groups: Path, membership: Path) -> Iterator[tuple[Path, _Files]]:
    """The group that this process is in, and all above it."""
    with suppress(OSError):
        for line in membership.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield from ((folder, _VERSION_2) for folder in _upwards(groups, path))
            elif "memory" in controllers.split(","):
                yield from ((folder, _VERSION_1) for folder in _upwards(groups / "memory", path))


def _upwards(top: Path, path: str) -> Iterator[Path]:
    inside = PurePosixPath(path.lstrip("/"))
    if ".." not in inside.parts and (top / inside).is_dir():
        yield from (top / each for each in (inside, *inside.parents) if each != PurePosixPath())
    yield top


def _number(file: Path) -> int | None:
    """What a file says; None where there is none or it says `max`."""
    with suppress(OSError, ValueError):
        return int(file.read_bytes())
    return None


def _entries(file: Path) -> dict[str, int]:
    """The numbers of a file of lines `name value`, the unit after them left out."""
    found = {}
    with suppress(OSError):
        for line in file.read_text().splitlines():
            name, _, value = line.partition(" ")
            with suppress(ValueError):
                found[name] = int(value.removesuffix(" kB"))
    return found


def _entry(file: Path, name: str) -> int | None:
    return _entries(file).get(name)
