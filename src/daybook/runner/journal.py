"""The local journal: an append-only file of deltas, from which slices go to the bucket."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


class Journal:
    """Appends deltas to a file; says how long it is, and gives parts of it back.

    A disk that takes no more ends it: from then on `broken` says why, and only whole copies of the notebook help.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.broken: str | None = None

    def append(self, delta: Mapping[str, Any]) -> None:
        """Takes a delta in; one that the disk does not take is not in it."""
        if self.broken is not None:
            return
        line = json.dumps(delta, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(line)
        except OSError as error:
            self.broken = error.strerror or str(error)
            with suppress(OSError):
                os.truncate(self.path, self.size)
            return
        self.size += len(line)

    def read(self, begin: int, end: int) -> bytes:
        """The bytes of a part of it.

        Raises:
            OSError: the file cannot be read any more.
        """
        with self.path.open("rb") as file:
            file.seek(begin)
            return file.read(end - begin)
