"""Makes the folder on the driver the same as the project's: the story, of which the other modules are the parts."""

from __future__ import annotations

import base64
import json
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daybook.databricks.model import Remote, SyncReport
from daybook.databricks.settings import SyncSettings
from daybook.databricks.sync.calling import Driver
from daybook.databricks.sync.errors import SyncFailed
from daybook.databricks.sync.naming import shown
from daybook.databricks.sync.packing import FileChanged, blocks_of, packs, read_blocks
from daybook.databricks.sync.scanning import scan
from daybook.databricks.sync.sending import Commands, Sender
from daybook.databricks.sync.state import Memory
from daybook.databricks.sync.tree import Change, Entry, File, Folder, Link, Tree, block_sizes, change
from daybook.databricks.sync.uploading import Uploads

PLAN_BYTES = 256 * 1024
"""A plan up to this size, deflated, is part of a command; a larger one travels in blocks, as files do."""
ALONG_BYTES = 320 * 1024
"""New blocks up to this size go along with the plan, so that a small change costs one command."""
ATTEMPTS = 3
"""How often the project is looked at anew because a file changed while it was sent."""


@dataclass
class _Sent:
    """What one synchronisation sent."""

    travelled: int = 0
    blocks: set[bytes] = field(default_factory=set)


class FileSynchroniser:
    """Keeps one folder on the driver the same as a project's.

    Args:
        settings: which files.
        driver: the folder there.
        uploads: the way for many of them; without it all travel within commands.
        memory: what is known of the files here.
        excludes: a person's own patterns for all repositories.
    """

    def __init__(
        self,
        settings: SyncSettings,
        driver: Driver,
        uploads: Uploads | None,
        memory: Memory,
        excludes: Path | None = None,
    ) -> None:
        self._settings = settings
        self._driver = driver
        self._uploads = uploads
        self._sender = Sender(Commands(driver), uploads)
        self._memory = memory
        self._excludes = excludes
        self._there: Tree | None = None
        self._generation = ""
        self._begun = False
        self._told: set[str] = set()

    @property
    def remote_folder(self) -> str:
        """Where the project's files lie on the driver; before the first synchronisation, where they probably will."""
        return self._driver.folder or f"/tmp/{self._driver.name}/files"  # noqa: S108 - the driver's, not ours

    def synchronise(self, remote: Remote) -> SyncReport:
        """Makes the folder the same; what is the same already, is not sent.

        Raises:
            FileSizeError, FilesUnreadable: nothing was sent.
            SyncFailed, RemoteFailed: what lies there is not to be used; the next call goes on from what arrived.
        """
        began = time.monotonic()
        for _ in range(ATTEMPTS):
            found = scan(self._settings, self._excludes)
            tree = self._memory.tree(self._settings.source, found)
            before, sent = self._there, _Sent()
            try:
                if tree != before or not self._is_there(remote):
                    self._bring(remote, tree, sent)
            except FileChanged as error:
                changed = shown(error.args[0])
                continue
            return self._report(before, tree, sent, found.skipped, time.monotonic() - began)
        raise SyncFailed(f"{changed} changes faster than it can be sent. Exclude it, or wait until it is written")

    def remove(self, remote: Remote | None) -> None:
        """Removes the folder there, and what uploads left behind; nothing, if nothing was sent.

        Args:
            remote: None where the driver cannot be asked any more; then the folder stays.

        Raises:
            SyncFailed, RemoteFailed: something is left.
        """
        try:
            if remote is not None and self._begun:
                self._there = None
                self._driver.ask(remote, "remove")
                self._begun = False
        finally:  # they lie in the Databricks workspace, where nothing ever ends them
            if self._uploads is not None:
                self._uploads.remove()

    def _is_there(self, remote: Remote) -> bool:
        """Whether the driver says so too: it may be another one by now, or cells may have removed the folder."""
        if self._driver.ask(remote, "check")["generation"] == self._generation:
            return True
        self._there = None
        return False

    def _bring(self, remote: Remote, tree: Tree, sent: _Sent) -> None:
        before, self._there = self._there, None  # not known, until all of it is there
        wanted = change(before, tree)
        told = self._begin(remote, wanted, _new_blocks(before, tree), sent)
        if "stale" in told:
            wanted = change(None, tree)
            told = self._begin(remote, wanted, {}, sent)
        if "missing" in told:
            self._send(remote, tree, _missing(told["missing"], wanted), sent)
            told = self._driver.ask(remote, "apply")
        if told.get("generation") != self._generation:
            raise SyncFailed("The project's files did not arrive whole. The next cell sends what is missing")
        self._there = tree

    def _begin(self, remote: Remote, wanted: Change, new: Mapping[bytes, int], sent: _Sent) -> dict[str, Any]:
        """Tells the driver the plan, with what is surely new if that is little."""
        after, self._generation = self._generation, secrets.token_hex(16)
        plan = _plan(wanted, after, self._generation)
        # What may have arrived before an interruption is asked for first.
        along = self._along(wanted, new, sent) if not (self._begun and wanted.whole) else b""
        self._begun = True
        if len(plan) <= PLAN_BYTES:
            sent.travelled += len(plan) + len(along)
            return self._driver.ask(remote, "begin", pack=along, plan=plan, plan_blocks=[])
        pieces = dict(blocks_of(plan))
        sizes = {digest: len(piece) for digest, piece in pieces.items()}
        sent.travelled += self._sender.send(remote, sizes, lambda left: [(each, pieces[each]) for each in left])
        sent.travelled += len(along)
        names = [digest.hex() for digest in pieces]
        return self._driver.ask(remote, "begin", pack=along, plan_blocks=names)

    def _along(self, wanted: Change, new: Mapping[bytes, int], sent: _Sent) -> bytes:
        if sum(new.values()) > ALONG_BYTES:
            return b""
        sent.blocks.update(new)
        return b"".join(pack.content for pack in packs(self._read(wanted.put, new), ALONG_BYTES))

    def _send(self, remote: Remote, tree: Tree, missing: Mapping[bytes, int], sent: _Sent) -> None:
        sent.blocks.update(missing)
        sent.travelled += self._sender.send(remote, missing, lambda left: self._read(tree, left))

    def _read(self, tree: Tree, wanted: Mapping[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
        return read_blocks(self._settings.source, tree, wanted)

    def _report(self, before: Tree | None, tree: Tree, sent: _Sent, skipped: list[str], seconds: float) -> SyncReport:
        notes = tuple(note for note in (*self._sender.notes, *skipped) if note not in self._told)
        self._told.update(notes)
        gone = (before or {}).keys() - tree.keys()
        return SyncReport(
            files=sum(isinstance(entry, File) for entry in tree.values()),
            sent_files=sum(isinstance(entry, File) and _any_of(entry, sent.blocks) for entry in tree.values()),
            sent_bytes=sent.travelled,
            removed_files=sum(not isinstance((before or {})[path], Folder) for path in gone),
            seconds=seconds,
            notes=notes,
        )


def _any_of(file: File, blocks: set[bytes]) -> bool:
    return bool(blocks) and any(digest in blocks for digest in file.digests())


def _new_blocks(before: Tree | None, after: Tree) -> dict[bytes, int]:
    """The blocks that only the new tree has."""
    known = block_sizes(before or {})
    return {digest: size for digest, size in block_sizes(after).items() if digest not in known}


def _missing(bits: str, wanted: Change) -> dict[bytes, int]:
    """The blocks that the driver lacks: a byte for each, in the order of the plan."""
    lacks = zlib.decompress(base64.b64decode(bits))
    return {
        each: size
        for (each, size), is_missing in zip(block_sizes(wanted.put).items(), lacks, strict=True)
        if is_missing
    }


def _plan(wanted: Change, after: str, becomes: str) -> bytes:
    document = {
        "put": [_row(path, entry) for path, entry in wanted.put.items()],
        "drop": [_text(path) for path in wanted.drop],
        "whole": wanted.whole,
        "after": after,
        "becomes": becomes,
    }
    return zlib.compress(json.dumps(document).encode())


def _row(path: bytes, entry: Entry) -> list[Any]:
    if isinstance(entry, File):
        return [_text(path), entry.size, entry.executable, entry.blocks.hex()]
    return [_text(path), _text(entry.target)] if isinstance(entry, Link) else [_text(path)]


def _text(path: bytes) -> str:
    """A path for JSON, whatever bytes it has."""
    return path.decode("utf-8", "surrogateescape")
