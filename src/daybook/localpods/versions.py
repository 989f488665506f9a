"""resourceVersions: numbers that only ever grow, also over restarts."""

from __future__ import annotations

from pathlib import Path

from daybook.localpods.files import write_atomically
from daybook.localpods.limits import VERSION_BLOCK


class Versions:
    """Hands out versions. They are reserved on disk in blocks; a restart goes on after the last reserved one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserved = int(path.read_text()) if path.exists() else 0
        self.current = self._reserved

    def next(self) -> int:
        """A version greater than all before."""
        if self.current >= self._reserved:
            self._reserved = self.current + VERSION_BLOCK
            write_atomically(self._path, str(self._reserved).encode())
        self.current += 1
        return self.current
