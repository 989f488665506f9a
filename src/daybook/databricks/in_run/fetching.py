"""Fetches outputs and results from the cluster: in parts, within limits, under names that are checked."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from daybook.databricks.errors import CommandTimedOut, RemoteFailed
from daybook.databricks.in_run.asking import Truncated, ask, unpacked
from daybook.databricks.in_run.recorded import Recorded
from daybook.databricks.model import Remote

MAX_FILES = 10_000
MAX_OUTPUT_BYTES = 2 * 2**30
"""All outputs of a run together: a pod that fills its disk is evicted, and loses everything."""
MAX_RESULT_BYTES = 4 * 2**20
"""Of what `record` told; the runner keeps 1 MiB of it."""
MAX_PATH_CHARACTERS = 1000
MAX_TOLD, MAX_TOLD_CHARACTERS = 100, 300
"""So many files that were left out are named, each with so much of its name."""
PART_BYTES = 2 * 2**20
"""Of the files' content in one answer: it stays below what Databricks cuts results at, and within memory."""
PARTS_AT_ONCE = 500
"""Files in one question, where they are small."""
MAX_LISTED = 20_000
LISTED_AT_ONCE = 2_000
"""Names in one answer, and in all together."""
LEAST_PART_BYTES = 4 * 2**10
"""Smaller parts are not tried; a cluster that cuts even those cannot be read from."""
QUESTION_SECONDS = 120.0
"""For one answer; a driver that is busy elsewhere takes its time."""
NO_TIME = "there was no time left to fetch them"


class OutOfTime(RemoteFailed):
    """What is not here by now stays where it is."""


@dataclass(frozen=True)
class Listed:
    """A file on the cluster: its place in the cluster's list, its checked path, its size as it was listed."""

    place: int
    path: PurePosixPath
    size: int


@dataclass(frozen=True)
class Part:
    """A piece of a file."""

    file: Listed
    offset: int
    count: int


@dataclass
class Arriving:
    """Files on their way, one after another: each is put into its place when all of it is there.

    Attributes:
        temporary: holds what has come of the file that is under way.
        folder: where files belong.
        lost: told of what cannot be kept.
        offset: how much of it there is.
    """

    temporary: Path
    folder: Path
    lost: Callable[[str], None]
    offset: int = 0

    def take(self, part: Part, data: object) -> bool:
        """Takes a part; tells whether the file is done with, be it whole or given up.

        Raises:
            RemoteFailed: it is no part of a file at all.
        """
        found = None if data is None else unpacked(data, max(part.count, 1))
        if found is None or len(found) != part.count:
            return self._given_up(part, "changed while it was fetched")
        try:
            with self.temporary.open("ab" if part.offset else "wb") as file:
                file.write(found)
            self.offset = part.offset + part.count
            if self.offset < part.file.size:
                return False
            target = self.folder.joinpath(part.file.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.temporary.replace(target)
        except OSError as error:
            return self._given_up(part, f"cannot be kept: {error.strerror or error}")
        self.offset = 0
        return True

    def _given_up(self, part: Part, why: str) -> bool:
        self.offset = 0
        self.lost(f"output {str(part.file.path)!a} {why}, and was left out")
        return True


@dataclass
class Fetch:
    """One fetch, at a run's end.

    Attributes:
        remote: an open context, in which our side has begun.
        time_left: seconds; may shrink faster than time passes.
        lost: told what stays behind, one sentence each.
        part_bytes: as large as answers have come through so far.
        listed_at_once: so many names, too.
    """

    remote: Remote
    time_left: Callable[[], float]
    lost: Callable[[str], None]
    part_bytes: int = PART_BYTES
    listed_at_once: int = LISTED_AT_ONCE
    _losses: int = 0

    def results(self, recorded: Recorded) -> None:
        """Brings what the notebook recorded, from where it stands, part by part, up to the limit.

        Raises:
            DatabricksFailed: the cluster cannot be asked any more; what came by then is kept.
        """
        size = self._recorded(recorded)
        recorded.end()
        if size > recorded.count:
            told = f"of the {size} bytes that the notebook recorded only the first {recorded.count} were fetched"
            self.lost(f"results: {told}")

    def _recorded(self, recorded: Recorded) -> int:
        """Tells how large all of it is."""
        while True:
            count = min(self.part_bytes, MAX_RESULT_BYTES - recorded.count)
            try:
                answer = _mapping(self._ask("results", offset=recorded.count, count=count))
            except Truncated:
                if self.part_bytes <= LEAST_PART_BYTES:
                    raise
                self.part_bytes //= 2
                continue
            part = unpacked(answer["data"], max(count, 1)) if answer.get("data") else b""
            recorded.take(part)
            size = answer.get("size")
            if len(part) < count or not isinstance(size, int) or recorded.count >= min(size, MAX_RESULT_BYTES):
                return size if isinstance(size, int) else 0

    def outputs(self, folder: Path) -> None:
        """Brings the files into a folder, each whole or not at all.

        Raises:
            DatabricksFailed: the cluster cannot be asked any more; what is there by then stays.
        """
        left = deque(self._within_limits(self._listed()))
        with tempfile.TemporaryDirectory(prefix=".fetched-", dir=folder.parent) as place:
            arriving = Arriving(Path(place) / "part", folder, self.lost)
            while left:
                parts = list(self._next(left, arriving.offset))
                try:
                    answers = self._ask("read", parts=[(each.file.place, each.offset, each.count) for each in parts])
                except Truncated:
                    if self.part_bytes <= LEAST_PART_BYTES:
                        raise
                    self.part_bytes //= 2
                    continue
                if not isinstance(answers, list) or len(answers) != len(parts):
                    raise RemoteFailed("the cluster's answer has not the parts that it was asked for")
                for part, data in zip(parts, answers, strict=True):
                    if arriving.take(part, data):
                        left.popleft()

    def _next(self, files: Iterable[Listed], offset: int) -> Iterator[Part]:
        """Of the files that are left, as much as one answer holds; the first one begins at an offset."""
        room = self.part_bytes
        for each in islice(files, PARTS_AT_ONCE):
            count = min(each.size - offset, room)
            yield Part(each, offset, count)
            room -= count
            if room <= 0:
                return
            offset = 0

    def _ask(self, do: str, **given: Any) -> Any:
        left = self.time_left()
        if left <= 0:
            raise OutOfTime(NO_TIME)
        try:
            return ask(self.remote, do, min(left, QUESTION_SECONDS), **given)
        except CommandTimedOut as error:
            if left <= QUESTION_SECONDS:  # the rest of the time is for leaving nothing behind
                raise OutOfTime(NO_TIME) from error
            raise

    def _listed(self) -> Iterator[Listed]:
        place = 0
        for answer in self._lists():
            for path, why in _pairs(answer.get("left_out")):
                self._lose(path, str(why))
            for path, size in _pairs(answer.get("files")):
                fault = name_fault(path)
                if fault is None and isinstance(size, int) and size >= 0:
                    yield Listed(place, PurePosixPath(str(path)), size)
                else:
                    self._lose(path, fault or "has no size")
                place += 1

    def _lists(self) -> Iterator[Mapping[str, Any]]:
        """The list of files, part by part."""
        start = 0
        while start < MAX_LISTED:
            try:
                answer = _mapping(self._ask("listed", start=start, count=self.listed_at_once))
            except Truncated:
                if self.listed_at_once <= 1:
                    raise
                self.listed_at_once //= 2
                continue
            yield answer
            if not answer.get("left"):
                break
            start += self.listed_at_once
        if answer.get("more"):
            self.lost("outputs: there are so many files that not all were looked at")

    def _lose(self, path: object, why: str) -> None:
        """Tells of one file; of very many there is no list, for the log is for people."""
        self._losses += 1
        if self._losses <= MAX_TOLD:
            self.lost(f"output {ascii(path)[:MAX_TOLD_CHARACTERS]} {why[:MAX_TOLD_CHARACTERS]}, and was left out")
        elif self._losses == MAX_TOLD + 1:
            self.lost("outputs: more files were left out than are listed here")

    def _within_limits(self, files: Iterator[Listed]) -> Iterator[Listed]:
        total = 0
        for count, each in enumerate(files):
            if count >= MAX_FILES:
                self.lost(f"outputs: only the first {MAX_FILES} files were fetched")
                return
            if total + each.size > MAX_OUTPUT_BYTES:
                self._lose(each.path.as_posix(), "is more than the 2 GiB that all together may be")
                continue
            total += each.size
            yield each


def name_fault(path: object) -> str | None:
    """What is wrong with a path that a cluster told, which may be anything; None where it lies below a folder."""
    if not isinstance(path, str) or not path or len(path) > MAX_PATH_CHARACTERS:
        return "has no usable name"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "has a name that leads elsewhere"
    if any(ord(letter) < ord(" ") or letter in ("\x7f", "\\") or "\ud800" <= letter <= "\udfff" for letter in path):
        return "has a name that is not fit for a bucket"
    return None


def _mapping(answer: object) -> Mapping[str, Any]:
    if not isinstance(answer, dict):
        raise RemoteFailed("the cluster's answer is not what was asked for")
    return answer


def _pairs(answer: object) -> Iterator[tuple[object, object]]:
    for each in answer if isinstance(answer, list) else ():
        if isinstance(each, list) and len(each) == 2:
            yield each[0], each[1]
