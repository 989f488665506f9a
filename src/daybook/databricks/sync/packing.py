"""Blocks of files, many at a time: read when their turn comes, never more than one pack of them in memory."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from daybook.databricks.sync.driver.requests import HEAD
from daybook.databricks.sync.tree import BLOCK_BYTES, File, Tree

_LEVEL = 1
"""Deflate's fastest: a higher one takes longer than it saves on most lines."""
_SAMPLE_BYTES = 4096
_WORTH = 0.9
"""Blocks are deflated if that leaves less than this part of their beginning."""


class FileChanged(Exception):
    """A file is not any more what it was when it was looked at. `args` holds its path."""


@dataclass(frozen=True)
class Pack:
    """Blocks, each behind a head.

    Attributes:
        content: what travels.
        digests: of which blocks.
    """

    content: bytes
    digests: tuple[bytes, ...]


def packs(blocks: Iterable[tuple[bytes, bytes]], longest: int) -> Iterator[Pack]:
    """Packs of blocks with their digests, none longer than that, unless a single block is."""
    content, digests = bytearray(), list[bytes]()
    for digest, block in blocks:
        packed = _packed(digest, block)
        if content and len(content) + len(packed) > longest:
            yield Pack(bytes(content), tuple(digests))
            content, digests = bytearray(), []
        content += packed
        digests.append(digest)
    if content:
        yield Pack(bytes(content), tuple(digests))


def read_blocks(source: Path, tree: Tree, wanted: Mapping[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
    """Reads each wanted block once, from the first file that holds it.

    Raises:
        FileChanged: a file holds something else by now.
    """
    left = set(wanted)
    for path, entry in sorted(tree.items()):
        if not isinstance(entry, File):
            continue
        here = [(number, digest) for number, digest in enumerate(entry.digests()) if digest in left]
        if here:
            left.difference_update(digest for _, digest in here)
            yield from _blocks_of(os.path.join(os.fsencode(source), path), path, here)


def blocks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """The blocks of what is in memory."""
    pieces = (data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES))
    return [(hashlib.sha256(piece).digest(), piece) for piece in pieces]


def _blocks_of(file: bytes, path: bytes, wanted: list[tuple[int, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    done: set[bytes] = set()
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            for number, digest in wanted:
                if digest in done:
                    continue
                opened.seek(number * BLOCK_BYTES)
                block = opened.read(BLOCK_BYTES)
                if hashlib.sha256(block).digest() != digest:
                    raise FileChanged(path)
                done.add(digest)
                yield digest, block
    except OSError as error:
        raise FileChanged(path) from error


def _packed(digest: bytes, block: bytes) -> bytes:
    sample = block[:_SAMPLE_BYTES]
    if len(zlib.compress(sample, _LEVEL)) < _WORTH * len(sample):
        deflated = zlib.compress(block, _LEVEL)
        return HEAD.pack(digest, True, len(deflated)) + deflated
    return HEAD.pack(digest, False, len(block)) + block
