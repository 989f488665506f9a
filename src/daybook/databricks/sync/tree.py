"""What a project's folder holds, by content, and what has to be done to make another one the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

BLOCK_BYTES = 256 * 1024
"""Files are known, sent and kept in blocks of this size, the last one shorter: one byte that changes costs one block,
and one block fits into a command."""


@dataclass(frozen=True, slots=True)
class File:
    """A file's content.

    Attributes:
        size: in bytes.
        executable: whether its owner may execute it.
        blocks: the SHA-256 of each of its blocks, in order, one after the other.
    """

    size: int
    executable: bool
    blocks: bytes

    def digests(self) -> Iterator[bytes]:
        """The SHA-256 of each block."""
        return (self.blocks[at : at + 32] for at in range(0, len(self.blocks), 32))


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link within the tree; `target` is relative to the folder that it lies in."""

    target: bytes


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder."""


Entry = File | Link | Folder
Tree = Mapping[bytes, Entry]
"""Entries by path, with `/` between its parts and none at its ends."""


@dataclass(frozen=True)
class Change:
    """What makes one tree another one.

    Attributes:
        put: what is new or other than before.
        drop: the paths of what is gone.
        whole: whether `put` is all that is wanted, and what was there before is not known.
    """

    put: Tree
    drop: frozenset[bytes]
    whole: bool = False


def change(before: Tree | None, after: Tree) -> Change:
    """What has to be done; without knowing what was before, everything."""
    if before is None:
        return Change(after, frozenset(), whole=True)
    put = {path: entry for path, entry in after.items() if before.get(path) != entry}
    return Change(put, frozenset(before.keys() - after.keys()))


def block_sizes(tree: Tree) -> dict[bytes, int]:
    """The distinct blocks of a tree's files, in the order of paths, with their sizes."""
    sizes: dict[bytes, int] = {}
    for entry in tree.values():
        if isinstance(entry, File):
            for number, digest in enumerate(entry.digests()):
                sizes[digest] = min(BLOCK_BYTES, entry.size - number * BLOCK_BYTES)
    return sizes
