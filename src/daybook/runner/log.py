"""The run's log: the runner's own lines and what the cells print, on the pod's output and in the run's `log.txt`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO


class RunLog:
    """Writes to a file and to a stream at once; any thread may write.

    A line of the runner bears the time in the file and stands alone on the stream; what cells print is kept as it is.
    A stream that has gone away (a closed terminal) harms nothing.
    """

    def __init__(self, path: Path, stream: TextIO, now: Callable[[], str]) -> None:
        self.path = path
        self._stream = stream
        self._now = now
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        self._at_line_start = True
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """One line of the runner's own."""
        with self._lock:
            gap = "" if self._at_line_start else "\n"
            self._write(f"{gap}{self._now()} {text}\n", f"{gap}{text}\n")

    def cell_printed(self, text: str) -> None:
        """What a cell wrote to its standard output or error."""
        with self._lock:
            self._write(text, text)

    def _write(self, kept: str, shown: str) -> None:
        if not kept:
            return
        self._at_line_start = kept.endswith("\n")
        if not self._file.closed:
            self._file.write(kept)
        with suppress(OSError, ValueError):
            self._stream.write(_showable(shown, self._stream))
            self._stream.flush()

    def flush(self) -> None:
        """Brings the file up to date on disk."""
        with self._lock:
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._file.close()


def _showable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
