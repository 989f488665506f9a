"""`files/`: the project's folder as cells see it, in which nothing is ever done through a link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from .base import Refused

BLOCK_BYTES = 256 * 1024
"""The same as at home (`tree.py`)."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Root:
    """The folder, opened until `close`; each path is walked part by part from there."""

    def __init__(self, path: bytes) -> None:
        self._top = os.open(path, _FOLDER)
        self._at, self._opened = b"", os.dup(self._top)

    def close(self) -> None:
        """Closes it."""
        os.close(self._top)
        os.close(self._opened)

    def folder(self, path: bytes) -> int:
        """A folder, made if need be; a file or link in its place makes way."""
        return self._open(path, _made)

    def look(self, path: bytes) -> list[int] | None:
        """By what a file is known again as the one that was placed; None if there is none."""
        try:
            told = os.lstat(_name(path), dir_fd=self._existing(path))
        except OSError:
            return None
        if not stat.S_ISREG(told.st_mode):
            return None
        return [told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino]

    def read(self, path: bytes, offset: int) -> bytes:
        """One block of a file."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(_name(path), flags, dir_fd=self._existing(path)), "rb") as file:
            file.seek(offset)
            return file.read(BLOCK_BYTES)

    def drop(self, path: bytes, is_folder: bool) -> None:
        """Removes a file or link, or a folder that nothing else is in; one that is gone already is fine."""
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            parent = self._existing(path)
            if is_folder:
                _remove_if_empty(parent, _name(path))
            else:
                os.unlink(_name(path), dir_fd=parent)

    def place(self, fresh: bytes, path: bytes) -> None:
        """Puts a file there in one step, with a time by which Python takes it for another than the one before."""
        parent, name = self._cleared(path)
        with suppress(FileNotFoundError):
            before = int(os.lstat(name, dir_fd=parent).st_mtime)
            if before >= int(os.lstat(fresh).st_mtime):
                os.utime(fresh, (before + 1, before + 1))
        os.replace(fresh, name, dst_dir_fd=parent)

    def link(self, path: bytes, target: bytes) -> None:
        """Makes a link that leads to something within."""
        inside = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if target.startswith(b"/") or inside.split(b"/")[0] == b"..":
            raise Refused(f"the link {_shown(path)} would lead out of the folder")
        parent, name = self._cleared(path)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
        os.symlink(target, name, dir_fd=parent)

    def _cleared(self, path: bytes) -> tuple[int, bytes]:
        """The folder that something is put into, and its name there, which no folder has any more."""
        parent, name = self.folder(os.path.dirname(path)), _name(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            if not _remove_if_empty(parent, name):
                raise Refused(f"{_shown(path)} is a file of the project, and on the driver a folder that cells made")
        return parent, name

    def _existing(self, path: bytes) -> int:
        return self._open(os.path.dirname(path), _opened)

    def _open(self, path: bytes, step: Callable[[int, bytes], int]) -> int:
        """Stays with the folder last opened: most paths that follow each other share theirs."""
        if path == self._at:
            return self._opened
        at = os.dup(self._top)
        for part in path.split(b"/") if path else ():
            try:
                inner = step(at, part)
            finally:
                os.close(at)
            at = inner
        os.close(self._opened)
        self._at, self._opened = path, at
        return at


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


def _remove_if_empty(parent: int, name: bytes) -> bool:
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _name(path: bytes) -> bytes:
    return os.path.basename(path)


def _shown(path: bytes) -> str:
    return repr(path.decode("utf-8", "backslashreplace"))


def checked(name: str) -> bytes:
    """A path within the project; another one is refused."""
    path = name.encode("utf-8", "surrogateescape")
    if b"\0" in path or any(part in (b"", b".", b"..") for part in path.split(b"/")):
        raise Refused(f"{name!r} is no path within the project")
    return path
