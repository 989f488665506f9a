"""One plan, carried out: what has to come, what is made of it, what is dropped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .base import Base, Refused
from .folder import BLOCK_BYTES, Root, checked


class Work:
    """A plan, and what there is already. Closed at the end.

    Args:
        base: the folder.
        plan: `put` has a row for each entry: `[path, size, executable, digests]`, `[path, target]` for a link, `[path]`
            for a folder. `drop` has the paths of what is gone; where `put` is the `whole` project, that is the rest.
    """

    def __init__(self, base: Base, plan: dict[str, Any]) -> None:
        self._base = base
        self._put = {checked(row[0]): row[1:] for row in plan["put"]}
        self._index = {checked(name): row for name, row in (base.read("index") or {}).items()}
        dropped = self._index.keys() - self._put.keys() if plan["whole"] else map(checked, plan["drop"])
        self._drop = sorted(dropped, reverse=True)
        self._root = Root(base.of("files"))
        self._held: dict[str, tuple[bytes, int]] = {}
        self._unchanged: set[bytes] = set()
        self._staged: dict[bytes, bytes] = {}
        self._look_at_what_is_there()

    def close(self) -> None:
        """Ends it, finished or not."""
        self._root.close()

    def _look_at_what_is_there(self) -> None:
        """Files that are as they were placed hold blocks that need not come again."""
        for path, row in self._index.items():
            if len(row) != 4 or row[3] is None or row[3] != self._root.look(path):
                continue
            for number, digest in enumerate(_digests(row)):
                self._held[digest] = (path, number * BLOCK_BYTES)
            if self._put.get(path) == row[:3]:
                self._unchanged.add(path)

    def _wanted(self) -> Iterator[tuple[bytes, list[str]]]:
        """The files that have to be made, with their blocks."""
        for path, row in self._put.items():
            if len(row) == 3 and path not in self._unchanged:
                yield path, _digests(row)

    def missing(self) -> bytes:
        """A byte for each distinct block of the plan, in its order: 1 if it has to come. Empty if none has to."""
        have = {name.decode() for name in os.listdir(self._base.of("blocks"))} | self._held.keys()
        lacking = {digest for _, digests in self._wanted() for digest in digests} - have
        order = dict.fromkeys(digest for row in self._put.values() if len(row) == 3 for digest in _digests(row))
        return bytes(digest in lacking for digest in order) if lacking else b""

    def stage(self) -> None:
        """Makes the new files beside the project, out of blocks that came and of files that are there."""
        uses: dict[str, int] = {}
        for _, digests in self._wanted():
            for digest in digests:
                uses[digest] = uses.get(digest, 0) + 1
        for number, (path, digests) in enumerate(self._wanted()):
            fresh = self._base.of("incoming", str(number))
            if not self._moved(digests, uses, fresh):
                with open(fresh, "wb") as file:
                    for digest in digests:
                        file.write(self._content(digest))
                        uses[digest] -= 1
            os.chmod(fresh, 0o755 if self._put[path][1] else 0o644)
            self._staged[path] = fresh

    def _moved(self, digests: list[str], uses: dict[str, int], fresh: bytes) -> bool:
        """Whether the file is a block that nothing else needs: then it is not copied."""
        if len(digests) != 1 or uses[digests[0]] != 1:
            return False
        with suppress(FileNotFoundError):
            os.replace(self._base.of("blocks", digests[0]), fresh)
            return True
        return False

    def _content(self, digest: str) -> bytes:
        with suppress(FileNotFoundError):
            return block(self._base, digest)
        path, offset = self._held[digest]
        content = self._root.read(path, offset)
        if hashlib.sha256(content).hexdigest() != digest:
            raise Refused(f"{path.decode('utf-8', 'backslashreplace')!r} was changed while it was read")
        return content

    def place(self) -> None:
        """Drops what is gone and puts what is new. What cells have made themselves stays, unless it is in the way."""
        changed = [path for path in sorted(self._put) if path not in self._unchanged]
        for path in changed:
            row = self._put[path]
            self._index[path] = [*row, None] if len(row) == 3 else row
        self._write_index()  # all of it is ours, also if this is interrupted now
        for path in self._drop:
            self._root.drop(path, is_folder=self._index.get(path) == [])
        for path in changed:
            self._place(path, self._put[path])
        for path in self._drop:
            self._index.pop(path, None)
        self._write_index()

    def _place(self, path: bytes, row: list[Any]) -> None:
        if path in self._staged:
            self._root.place(self._staged[path], path)
            self._index[path] = [*row, self._root.look(path)]
        elif row:
            self._root.link(path, row[0].encode("utf-8", "surrogateescape"))
        else:
            self._root.folder(path)

    def _write_index(self) -> None:
        rows = {path.decode("utf-8", "surrogateescape"): row for path, row in self._index.items()}
        self._base.write("index", rows)


def block(base: Base, digest: str) -> bytes:
    """A block that came."""
    with open(base.of("blocks", digest), "rb") as file:
        return file.read()


def _digests(row: list[Any]) -> list[str]:
    return [row[2][at : at + 64] for at in range(0, len(row[2]), 64)]
