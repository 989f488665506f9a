"""What the local files hold, remembered between synchronisations: only what has changed is read again."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daybook.databricks.sync.scanning import Found, unreadable
from daybook.databricks.sync.tree import BLOCK_BYTES, File, Folder, Link, Tree

VERSION = 1
AT_REST_NS = 2_000_000_000
"""How long a file must not have been written to before its content is remembered: within the tick of a file system's
clock (2 s at worst) it could change again, and look the same."""
_NO_FILE_ANY_MORE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What opening says where the scan saw a file, and now there is nothing, or a link."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """How a file looked when it was read, and what it held."""

    look: tuple[int, int, int, int]
    file: File


@dataclass
class Memory:
    """What was read of one folder's files; kept in a file, which may be lost at any time.

    Attributes:
        path: where it is kept; None for nowhere.
    """

    path: Path | None
    _files: dict[bytes, _Known] | None = field(default=None, init=False)

    @classmethod
    def of(cls, source: Path, environment: Mapping[str, str]) -> Memory:
        """That of a folder, among the user's cached files."""
        home = environment.get("XDG_CACHE_HOME") or (f"{environment['HOME']}/.cache" if "HOME" in environment else None)
        name = hashlib.sha256(os.fsencode(source)).hexdigest()[:32]
        return cls(Path(home, "daybook", "databricks", f"{name}.json") if home else None)

    def tree(self, source: Path, found: Found) -> Tree:
        """The folder's content; reads what is new or looks other than before.

        Raises:
            FilesUnreadable: with every file that cannot be read.
        """
        before = self._load() if self._files is None else self._files
        settled = time.time_ns() - AT_REST_NS
        now, faults = dict[bytes, _Known](), dict[bytes, OSError]()
        for path, told in found.files.items():
            known = before.get(path)
            if known is not None and known.look == _look(told):
                now[path] = known
                continue
            try:
                now[path] = _read(os.path.join(os.fsencode(source), path))
            except OSError as error:
                if error.errno not in _NO_FILE_ANY_MORE:
                    faults[path] = error
        if faults:
            raise unreadable(faults)
        self._remember(before, {path: known for path, known in now.items() if max(known.look[1:3]) < settled})
        tree: dict[bytes, File | Link | Folder] = {path: known.file for path, known in now.items()}
        tree.update((path, Link(target)) for path, target in found.links.items())
        tree.update(dict.fromkeys(found.folders, Folder()))
        return tree

    def _remember(self, before: dict[bytes, _Known], now: dict[bytes, _Known]) -> None:
        self._files = now
        if now != before:
            self._save(now)

    def _load(self) -> dict[bytes, _Known]:
        document: Any = None
        if self.path is not None:
            with suppress(OSError, ValueError):
                document = json.loads(self.path.read_bytes())
        self._files = _decoded(document)
        return self._files

    def _save(self, files: dict[bytes, _Known]) -> None:
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile("w", dir=self.path.parent, delete=False) as file:
                json.dump(_encoded(files), file)
            os.replace(file.name, self.path)
        except OSError as error:
            # It saves time the next time, nothing more.
            _log.debug("what the files hold cannot be remembered: %s", error)


def _look(told: os.stat_result) -> tuple[int, int, int, int]:
    return (told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino)


def _read(path: bytes) -> _Known:
    """Reads a file once, block by block; never what a link leads to, and never a pipe that has taken its place."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        told = os.fstat(descriptor)
        if not stat.S_ISREG(told.st_mode):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        size, digests = 0, []
        while block := _full_block(file):
            size += len(block)
            digests.append(hashlib.sha256(block).digest())
    return _Known(_look(told), File(size, bool(told.st_mode & stat.S_IXUSR), b"".join(digests)))


def _full_block(file: Any) -> bytes:
    """The next block; a single read may give less than there is."""
    block: bytes = file.read(BLOCK_BYTES)
    while 0 < len(block) < BLOCK_BYTES and (more := file.read(BLOCK_BYTES - len(block))):
        block += more
    return block


def _encoded(files: dict[bytes, _Known]) -> dict[str, Any]:
    rows = [
        [os.fsdecode(path), *each.look, each.file.size, each.file.executable, each.file.blocks.hex()]
        for path, each in files.items()
    ]
    return {"version": VERSION, "block_bytes": BLOCK_BYTES, "files": rows}


def _decoded(document: Any) -> dict[bytes, _Known]:
    """What was kept; nothing, if it is not understood."""
    try:
        if document["version"] != VERSION or document["block_bytes"] != BLOCK_BYTES:
            return {}
        return {
            os.fsencode(path): _Known(tuple(look), File(size, executable, bytes.fromhex(blocks)))
            for path, *look, size, executable, blocks in document["files"]
        }
    except (TypeError, KeyError, ValueError):
        return {}
