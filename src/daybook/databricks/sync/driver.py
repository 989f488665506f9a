"""What runs on the cluster's driver: takes blocks, makes a folder the same as the project's, removes it.

This module's source is sent there as it stands, so it imports the standard library alone and keeps to Python 3.8.
What it is told comes as JSON, what it is given as packs (`packing.py`); no path is ever part of source or of a shell's
line. It touches nothing but one folder, which it made itself among the driver's temporary ones, private to its user:

    files/       the project, as cells see it
    blocks/      blocks that came and are not placed yet: from these an interrupted synchronisation goes on
    incoming/    files on their way into `files/`
    index        what in `files/` came from the project: nothing else is ever dropped
    plan         what is to be done as soon as all blocks are there
    generation   which state `files/` is in; missing while it is being changed
"""

from __future__ import annotations

import base64
import errno
import hashlib
import importlib
import json
import os
import re
import shutil
import stat
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

BLOCK_BYTES = 256 * 1024
HEAD = struct.Struct(">32s?I")
"""Before each block of a pack: its SHA-256, whether it is deflated, how many bytes follow."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DOCUMENTS = ("index", "plan", "generation")


class Refused(Exception):
    """It cannot be done; the text says why."""


def answer(request: str) -> str:
    """Does what a request asks for.

    Args:
        request: JSON in base64. `do` names a function of `_WAYS`, `name` the folder, `mark` what the answer begins with.

    Returns:
        The mark, by which the answer is found among other output, and JSON: what came of it, or an `error`.
    """
    asked = json.loads(base64.b64decode(request))
    try:
        base = Base(asked["name"])
        told = _WAYS[asked["do"]](base, asked)
        told["folder"] = os.fsdecode(base.of("files"))
    except Refused as error:
        told = {"error": str(error)}
    except OSError as error:
        name = error.filename if isinstance(error.filename, bytes) else os.fsencode(error.filename or "")
        told = {"error": f"{error.strerror}: {name.decode('utf-8', 'backslashreplace')}"}
    return f"{asked['mark']} {json.dumps(told)}"


class Base:
    """The one folder."""

    def __init__(self, name: str) -> None:
        if not re.match(r"daybook-[a-z0-9-]+\Z", name):
            raise Refused(f"{name!r} is no name of a folder of ours")
        self.path = os.path.join(os.fsencode(tempfile.gettempdir()), name.encode())

    def of(self, *parts: str) -> bytes:
        return os.path.join(self.path, *(part.encode() for part in parts))

    def is_there(self) -> bool:
        """Whether it is. A link, somebody else's folder or one that others may look into is not taken for ours."""
        try:
            told = os.lstat(self.path)
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(told.st_mode) or told.st_uid != os.getuid() or told.st_mode & 0o077:
            raise Refused(f"{os.fsdecode(self.path)} is not the private folder that was made for the files")
        return True

    def make(self) -> None:
        if not self.is_there():
            os.mkdir(self.path, 0o700)
        for part in ("files", "blocks", "incoming"):
            with suppress(FileExistsError):
                os.mkdir(self.of(part), 0o700)

    def read(self, name: str) -> Any:
        """A document of ours; None if there is none."""
        try:
            with open(self.of(name), "rb") as file:
                return json.loads(file.read())
        except FileNotFoundError:
            return None

    def write(self, name: str, document: Any) -> None:
        with open(self.of("incoming", name), "w") as file:
            json.dump(document, file)
        os.replace(self.of("incoming", name), self.of(name))

    def forget(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self.of(name))


def check(base: Base, _: dict[str, Any]) -> dict[str, Any]:
    """Tells which state the files are in."""
    return {"generation": base.read("generation") if base.is_there() else None}


def begin(base: Base, asked: dict[str, Any]) -> dict[str, Any]:
    """Takes a plan, with all blocks or without; carries it out if nothing is missing, else tells what is.

    The plan is part of the request, or came in blocks before. One that builds on another state than the files are in
    is `stale`.
    """
    base.make()
    if asked["pack"]:
        _unpack(base, base64.b64decode(asked["pack"]))
    plan = asked["plan"]
    if plan is None:
        plan = json.loads(zlib.decompress(b"".join(_block(base, digest) for digest in asked["plan_blocks"])))
    if not plan["whole"] and base.read("generation") != plan["after"]:
        return {"stale": True}
    base.write("plan", plan)
    return apply(base, asked)


def store(base: Base, asked: dict[str, Any]) -> dict[str, Any]:
    """Keeps the blocks of packs: of one in the request, or of files that the driver can read."""
    base.make()
    if asked["pack"]:
        _unpack(base, base64.b64decode(asked["pack"]))
    unreadable = []
    for path in asked["paths"]:
        try:
            with open(path, "rb") as file:
                _unpack(base, file.read())
        except (OSError, Refused) as error:
            unreadable.append(f"{path}: {error}")
    return {"unreadable": unreadable}


def apply(base: Base, _: dict[str, Any]) -> dict[str, Any]:
    """Carries out the plan, unless blocks are missing: then tells which, as bits in the order of the plan."""
    plan = base.read("plan") if base.is_there() else None
    if plan is None:
        return {"stale": True}
    work = Work(base, plan)
    missing = work.missing()
    if missing is not None:
        return {"missing": base64.b64encode(zlib.compress(missing)).decode()}
    work.stage()
    base.forget("generation")
    work.place()
    base.write("generation", plan["becomes"])
    importlib.invalidate_caches()
    return {"generation": plan["becomes"]}


def remove(base: Base, _: dict[str, Any]) -> dict[str, Any]:
    """Removes the folder, with all that is in it and nothing that links in it lead to."""
    if base.is_there():
        inside = os.path.realpath(base.path) + b"/"
        if (os.path.realpath(b".") + b"/").startswith(inside):
            os.chdir("/")
        shutil.rmtree(base.path)
    return {}


_WAYS: dict[str, Callable[[Base, dict[str, Any]], dict[str, Any]]] = {
    "check": check,
    "begin": begin,
    "store": store,
    "apply": apply,
    "remove": remove,
}


def _unpack(base: Base, pack: bytes) -> None:
    at = 0
    while at < len(pack):
        digest, deflated, length = HEAD.unpack_from(pack, at)
        at += HEAD.size + length
        block = pack[at - length : at]
        if deflated:
            block = zlib.decompress(block)
        if hashlib.sha256(block).digest() != digest:
            raise Refused("a block came with another content than its name says")
        with open(base.of("incoming", "block"), "wb") as file:
            file.write(block)
        os.replace(base.of("incoming", "block"), base.of("blocks", digest.hex()))


def _block(base: Base, digest: str) -> bytes:
    with open(base.of("blocks", digest), "rb") as file:
        return file.read()


class Work:
    """One plan being carried out. A row of `put` is `[path, size, executable, digests]`, `[path, target]` or `[path]`."""

    def __init__(self, base: Base, plan: dict[str, Any]) -> None:
        self.base = base
        self.put = {_path(row[0]): row[1:] for row in plan["put"]}
        self.index = {_path(name): row for name, row in (base.read("index") or {}).items()}
        gone = self.index.keys() - self.put.keys() if plan["whole"] else map(_path, plan["drop"])
        self.drop = sorted(gone, reverse=True)
        self.root = Root(base.of("files"))
        self.staged: dict[bytes, bytes] = {}
        self.held: dict[str, tuple[bytes, int]] = {}
        self.unchanged: set[bytes] = set()
        self._look_at_what_is_there()

    def _look_at_what_is_there(self) -> None:
        for path, row in self.index.items():
            if len(row) != 4 or row[3] is None or row[3] != self.root.look(path):
                continue
            for number, digest in enumerate(_digests(row[2])):
                self.held[digest] = (path, number * BLOCK_BYTES)
            if self.put.get(path) == row[:3]:
                self.unchanged.add(path)

    def wanted(self) -> Iterator[tuple[bytes, list[str]]]:
        """The files that have to be made, with their blocks."""
        for path, row in self.put.items():
            if len(row) == 3 and path not in self.unchanged:
                yield path, _digests(row[2])

    def missing(self) -> bytes | None:
        """A bit for each distinct block of the plan, set if it is to be sent; None if none is."""
        have = {name.decode() for name in os.listdir(self.base.of("blocks"))} | self.held.keys()
        lacking = {digest for _, digests in self.wanted() for digest in digests} - have
        if not lacking:
            return None
        order = dict.fromkeys(digest for row in self.put.values() if len(row) == 3 for digest in _digests(row[2]))
        return bytes(digest in lacking for digest in order)

    def stage(self) -> None:
        """Makes the new files beside the project, out of blocks that came and of files that are there."""
        left: dict[str, int] = {}
        for _, digests in self.wanted():
            for digest in digests:
                left[digest] = left.get(digest, 0) + 1
        for number, (path, digests) in enumerate(self.wanted()):
            fresh = self.base.of("incoming", str(number))
            came = self.base.of("blocks", digests[0]) if len(digests) == 1 else b""
            if came and left[digests[0]] == 1 and os.path.exists(came):
                os.replace(came, fresh)
            else:
                with open(fresh, "wb") as file:
                    for digest in digests:
                        file.write(self._content(digest))
                        left[digest] -= 1
            os.chmod(fresh, 0o755 if self.put[path][1] else 0o644)
            self.staged[path] = fresh

    def _content(self, digest: str) -> bytes:
        with suppress(FileNotFoundError):
            return _block(self.base, digest)
        path, offset = self.held[digest]
        content = self.root.read(path, offset)
        if hashlib.sha256(content).hexdigest() != digest:
            raise Refused(f"{path.decode('utf-8', 'backslashreplace')} was changed while it was read")
        return content

    def place(self) -> None:
        """Drops what is gone and puts what is new; what cells have made themselves stays."""
        for path, row in self.put.items():
            if path not in self.unchanged:
                self.index[path] = [*row, None] if len(row) == 3 else row
        self._write_index()  # all of it is ours, also if we are interrupted now
        for path in self.drop:
            self.root.drop(path, is_folder=self.index[path] == [])
        for path in sorted(self.put):
            row = self.put[path]
            if path in self.staged:
                self.root.place(self.staged[path], path)
                self.index[path] = [*row, self.root.look(path)]
            elif len(row) == 1:
                self.root.link(path, row[0].encode("utf-8", "surrogateescape"))
            elif not row:
                self.root.folder(path)
        for path in self.drop:
            del self.index[path]
        self._write_index()
        for name in os.listdir(self.base.of("blocks")):
            os.unlink(os.path.join(self.base.of("blocks"), name))

    def _write_index(self) -> None:
        self.base.write("index", {path.decode("utf-8", "surrogateescape"): row for path, row in self.index.items()})


class Root:
    """`files/`, in which nothing is ever done through a link."""

    def __init__(self, path: bytes) -> None:
        self._top = os.open(path, _FOLDER)
        self._at, self._opened = b"", os.dup(self._top)

    def folder(self, path: bytes) -> int:
        """A folder, made if need be; what is no folder makes way for it."""
        return self._open(path, self._made)

    def look(self, path: bytes) -> list[int] | None:
        """By what a file is known to be as it was placed; None if it is none."""
        try:
            told = os.lstat(_name(path), dir_fd=self._existing(path))
        except OSError:
            return None
        if not stat.S_ISREG(told.st_mode):
            return None
        return [told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino]

    def read(self, path: bytes, offset: int) -> bytes:
        """One block of a file."""
        file = os.open(_name(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._existing(path))
        with open(file, "rb") as opened:
            opened.seek(offset)
            return opened.read(BLOCK_BYTES)

    def drop(self, path: bytes, is_folder: bool) -> None:
        """Removes a file or link, or a folder in which nothing else is; one that is gone already is fine."""
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            parent = self._existing(path)
            if not is_folder:
                os.unlink(_name(path), dir_fd=parent)
                return
            try:
                os.rmdir(_name(path), dir_fd=parent)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise

    def place(self, fresh: bytes, path: bytes) -> None:
        """Puts a file there in one step. Python takes it for another than before, although it may be as long."""
        parent, name = self._cleared(path)
        before, now = None, os.lstat(fresh)
        with suppress(FileNotFoundError):
            before = os.lstat(name, dir_fd=parent)
        if before is not None and int(before.st_mtime) >= int(now.st_mtime):
            later = int(before.st_mtime) + 1
            os.utime(fresh, (later, later))
        os.replace(fresh, name, dst_dir_fd=parent)

    def link(self, path: bytes, target: bytes) -> None:
        """Makes a link that leads to something within."""
        inside = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if target.startswith(b"/") or inside.split(b"/")[0] == b"..":
            raise Refused(f"the link {path.decode('utf-8', 'backslashreplace')} would lead out of the folder")
        parent, name = self._cleared(path)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
        os.symlink(target, name, dir_fd=parent)

    def _cleared(self, path: bytes) -> tuple[int, bytes]:
        """The folder that something is put into and its name there, which no folder has any more."""
        parent, name = self.folder(os.path.dirname(path)), _name(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            os.rmdir(name, dir_fd=parent)
        return parent, name

    def _existing(self, path: bytes) -> int:
        return self._open(os.path.dirname(path), _opened)

    def _open(self, path: bytes, step: Callable[[int, bytes], int]) -> int:
        if path != self._at:
            at = os.dup(self._top)
            for part in path.split(b"/") if path else ():
                inner = at
                try:
                    at = step(inner, part)
                finally:
                    os.close(inner)
            os.close(self._opened)
            self._at, self._opened = path, at
        return self._opened

    @staticmethod
    def _made(parent: int, name: bytes) -> int:
        try:
            return _opened(parent, name)
        except NotADirectoryError:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            pass
        os.mkdir(name, 0o755, dir_fd=parent)
        return _opened(parent, name)


def _opened(parent: int, name: bytes) -> int:
    """Opens a folder; a link to one is none."""
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name) from None
        raise


def _digests(blocks: str) -> list[str]:
    return [blocks[at : at + 64] for at in range(0, len(blocks), 64)]


def _name(path: bytes) -> bytes:
    return os.path.basename(path)


def _path(name: str) -> bytes:
    """A path within the project; another one is refused."""
    path = name.encode("utf-8", "surrogateescape")
    if b"\0" in path or any(part in (b"", b".", b"..") for part in path.split(b"/")):
        raise Refused(f"{name!r} is no path within the project")
    return path
