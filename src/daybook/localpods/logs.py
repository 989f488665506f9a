"""A container's log: one file, each line with the time it was written, read back as `kubectl logs` wants it.

A line on disk is `<time, 30 characters> <F or P> <content>`; P says that the line of output goes on in the next
entry (it was longer than `MAX_LOG_LINE_BYTES`, or the container ended without a line break). Times only ever grow,
so a place in time is found by bisection and going on from a time neither loses nor repeats a line.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final

from daybook.localpods.clock import NANOSECONDS, nano_time
from daybook.localpods.limits import (
    FALLBACK_MESSAGE_BYTES,
    FALLBACK_MESSAGE_LINES,
    MAX_LOG_BYTES,
    MAX_LOG_LINE_BYTES,
)

_TIME_WIDTH: Final = 30
_PREFIX_WIDTH: Final = _TIME_WIDTH + len(" F ")
_BLOCK_BYTES: Final = 256 * 1024


class LogWriter:
    """Turns a stream of output into entries of a log file. One writer a file."""

    def __init__(self, path: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._room = max_bytes
        self._pending = b""
        self._tail = b""
        self._last_ns = 0

    def feed(self, output: bytes) -> None:
        """Writes all full lines; the rest waits for its end."""
        self._tail = (self._tail + output)[-FALLBACK_MESSAGE_BYTES:]
        *lines, rest = (self._pending + output).split(b"\n")
        entries = [(piece, last) for line in lines for piece, last in _pieces(line)]
        while len(rest) > MAX_LOG_LINE_BYTES:
            entries.append((rest[:MAX_LOG_LINE_BYTES], False))
            rest = rest[MAX_LOG_LINE_BYTES:]
        self._pending = rest
        self._write(entries)

    def close(self) -> None:
        """Writes what has no line break yet."""
        if self._pending:
            self._write([(self._pending, False)])
            self._pending = b""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def tail(self) -> str:
        """The end of the output: at most `FALLBACK_MESSAGE_LINES` lines and `FALLBACK_MESSAGE_BYTES` bytes."""
        lines = self._tail.decode(errors="replace").splitlines(keepends=True)
        return "".join(lines[-FALLBACK_MESSAGE_LINES:])

    def _write(self, entries: list[tuple[bytes, bool]]) -> None:
        if not entries or self._room <= 0:
            return
        data = b"".join(self._entry(content, last) for content, last in entries)
        self._room -= len(data)
        if self._room <= 0:
            data += self._entry(b"[localpods: the log has reached its limit; what follows is not kept]", True)
        # A full disk must not end the container: what cannot be kept is lost from the log, not from the run.
        with suppress(OSError):
            while data:
                data = data[os.write(self._file, data) :]

    def _entry(self, content: bytes, last: bool) -> bytes:
        self._last_ns = max(time.time_ns(), self._last_ns + 1)
        return b"%s %s %s\n" % (nano_time(self._last_ns).encode(), b"F" if last else b"P", content)


def _pieces(line: bytes) -> list[tuple[bytes, bool]]:
    cuts = range(0, max(len(line), 1), MAX_LOG_LINE_BYTES)
    return [(line[cut : cut + MAX_LOG_LINE_BYTES], cut == cuts[-1]) for cut in cuts]


@dataclass(frozen=True)
class LogQuery:
    """What part of a log is wanted, and how.

    Attributes:
        timestamps: each line begins with its time.
        since_ns: only lines written at this time or later, nanoseconds since the epoch.
        tail_lines: at most this many lines from the end.
        limit_bytes: at most this many bytes of answer.
    """

    timestamps: bool = False
    since_ns: int | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None


class LogReader:
    """Reads a log from the place a query names, as often as there is more. Close it, or use `with`."""

    def __init__(self, path: Path, query: LogQuery) -> None:
        self._file = path.open("rb")
        self._query = query
        self._room = query.limit_bytes
        self._torn = b""
        self._new_line = True
        self._file.seek(_start(self._file, query))

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; twice is fine."""
        self._file.close()

    @property
    def full(self) -> bool:
        """Whether the query's byte limit has been reached: nothing more will come."""
        return self._room is not None and self._room <= 0

    def read(self) -> bytes:
        """The next part of the answer; empty when there is no more now."""
        answer = b""
        while not answer and not self.full:
            block = self._file.read(_BLOCK_BYTES)
            if not block:
                break
            *entries, self._torn = (self._torn + block).split(b"\n")
            answer = b"".join(self._line(entry) for entry in entries)
        if self._room is not None:
            answer = answer[: self._room]
            self._room -= len(answer)
        return answer

    def _line(self, entry: bytes) -> bytes:
        begins = self._new_line
        self._new_line = entry[_TIME_WIDTH + 1 : _TIME_WIDTH + 2] != b"P"
        content = entry[_PREFIX_WIDTH:] + (b"\n" if self._new_line else b"")
        return entry[: _TIME_WIDTH + 1] + content if begins and self._query.timestamps else content


def _start(file: BufferedReader, query: LogQuery) -> int:
    size = file.seek(0, os.SEEK_END)
    begin = 0
    if query.tail_lines is not None:
        begin = _tail_start(file, size, query.tail_lines)
    if query.since_ns is not None:
        begin = max(begin, _since_start(file, size, query.since_ns))
    return begin


def _tail_start(file: BufferedReader, size: int, lines: int) -> int:
    """Where the last `lines` entries begin, reading backwards."""
    position, wanted = size, lines + 1
    while position > 0:
        begin = max(0, position - _BLOCK_BYTES)
        file.seek(begin)
        block = file.read(position - begin)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            wanted -= 1
            if wanted == 0:
                return begin + at + 1
        position = begin
    return 0


def _since_start(file: BufferedReader, size: int, since_ns: int) -> int:
    """Where the first entry at or after a time begins, by bisection over the bytes."""
    wanted = nano_time(max(0, min(since_ns, 253_402_300_799 * NANOSECONDS))).encode()
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        entry_at = _entry_start(file, middle)
        if entry_at >= high:
            high = middle
            continue
        file.seek(entry_at)
        entry = file.readline()
        if entry[:_TIME_WIDTH] < wanted:
            low = entry_at + len(entry)
        else:
            high = middle
    return low


def _entry_start(file: BufferedReader, position: int) -> int:
    """Where the first entry at or after `position` begins."""
    if position == 0:
        return 0
    file.seek(position - 1)
    file.readline()
    return file.tell()
