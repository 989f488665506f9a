"""The run's log: the runner's own lines and what the cells print, on the pod's output and in the run's `log.txt`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

TAIL_CHARACTERS = 256 * 1024
"""How much of the newest text is held in memory once the disk takes no more."""
LOG_BYTES = 50 * 2**20
"""How much of what cells print the log holds: as much as a notebook does by default. A cell that clears its output
again and again prints without end."""


class RunLog:
    """Writes to a file and to a stream at once; any thread may write.

    A line of the runner bears the time in the file and stands alone on the stream; what cells print is kept as it is,
    up to `LOG_BYTES` of it; the runner's own lines go on.
    Neither harms the run: a stream may go away (a closed terminal), and where the disk does not take the file (it is
    full), the newest text is held in memory instead.
    """

    def __init__(
        self, path: Path, stream: TextIO, now: Callable[[], str], redacted: Callable[[str], str] = lambda text: text
    ) -> None:
        """Opens the file.

        Args:
            path: of the file.
            stream: takes the same lines.
            now: the time, as lines bear it.
            redacted: takes secrets out of the runner's own lines; what cells print comes without them.
        """
        self.path = path
        self._redacted = redacted
        self._stream = stream
        self._now = now
        self._at_line_start = True
        self._room: int | None = LOG_BYTES
        self._lock = threading.Lock()
        self._lost: str | None = None
        self._tail = ""
        self._file: TextIO | None = None
        with self._tolerating():
            self._file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")

    def say(self, text: str) -> None:
        """One line of the runner's own."""
        text = self._redacted(text)
        with self._lock:
            self._say(text)

    def _say(self, text: str) -> None:
        gap = "" if self._at_line_start else "\n"
        self._write(f"{gap}{self._now()} {text}\n", f"{gap}{text}\n")

    def cell_printed(self, text: str) -> None:
        """What a cell wrote to its standard output or error."""
        with self._lock:
            if self._room is None:
                return
            kept = text[: self._room]
            if not kept.isascii():
                kept = kept.encode("utf-8", "backslashreplace")[: self._room].decode("utf-8", "ignore")
            self._room -= len(kept.encode("utf-8", "backslashreplace"))
            self._write(kept, kept)
            if len(kept) < len(text):
                self._room = None
                self._say(f"the rest of what cells print is not in the log, which holds {LOG_BYTES:,} bytes of it")

    def _write(self, kept: str, shown: str) -> None:
        if not kept:
            return
        self._at_line_start = kept.endswith("\n")
        if self._lost is None and self._file is not None and not self._file.closed:
            with self._tolerating():
                self._file.write(kept)
        if self._lost is not None:
            self._tail = (self._tail + kept)[-TAIL_CHARACTERS:]
        with suppress(OSError, ValueError):
            self._stream.write(_showable(shown, self._stream))
            self._stream.flush()

    def content(self) -> bytes:
        """All that was written so far, or, where the disk did not take it all, its beginning and its end."""
        with self._lock:
            if self._lost is None and self._file is not None and not self._file.closed:
                with self._tolerating():
                    self._file.flush()
            kept = b""
            with self._tolerating():
                kept = self.path.read_bytes()
            if self._lost is None:
                return kept
            gap = f"\n[lines may be missing here: the disk did not take the log: {self._lost}]\n"
            return kept + (gap + self._tail).encode("utf-8", "backslashreplace")

    @contextmanager
    def _tolerating(self) -> Iterator[None]:
        """Gives the file up at its first error; what the disk has of it stays."""
        try:
            yield
        except OSError as error:
            self._lost = self._lost or error.strerror or str(error)
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # closing writes what is still held back
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._close()


def _showable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
