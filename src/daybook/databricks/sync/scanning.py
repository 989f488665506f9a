"""One pass over the project's folder: what belongs to it, and how large it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from daybook.contract.errors import Fault
from daybook.databricks.settings import SyncSettings
from daybook.databricks.sync.errors import FileSizeError, FilesUnreadable
from daybook.databricks.sync.ignoring import VIRTUAL_ENVIRONMENT, Rules
from daybook.databricks.sync.naming import shown

MEGABYTE = 2**20
NAMED_AT_MOST = 20
"""How many files an error names; of more it tells the number."""


@dataclass
class Found:
    """What belongs to the project, by path.

    Attributes:
        files: with what the system tells of each.
        folders: the folders, empty ones too.
        links: links that stay within, with their target as seen from where they lie.
        skipped: what is left out, and why, one sentence each.
    """

    files: dict[bytes, os.stat_result] = field(default_factory=dict)
    folders: list[bytes] = field(default_factory=list)
    links: dict[bytes, bytes] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def scan(settings: SyncSettings, excludes_file: Path | None) -> Found:
    """Looks at every file once, and opens none.

    Raises:
        FileSizeError: there is more than the settings allow.
        FilesUnreadable: a folder cannot be read.
    """
    rules = Rules.of(settings.source, settings.exclude, settings.use_gitignore, excludes_file)
    walk = _Walk(os.fsencode(settings.source))
    walk.run(rules)
    if walk.unreadable:
        raise unreadable(walk.unreadable)
    _require_within(settings, walk.found)
    _take_links(walk)
    return walk.found


def unreadable(files: dict[bytes, OSError]) -> FilesUnreadable:
    """The error that names them."""
    faults = [Fault(shown(path), error.strerror or str(error)) for path, error in sorted(files.items())]
    summary = "Files of the project cannot be read, so nothing was sent. Make them readable, or exclude them"
    return FilesUnreadable(summary, _not_too_many(faults))


class _Walk:
    def __init__(self, source: bytes) -> None:
        self.source = source
        self.found = Found()
        self.unreadable: dict[bytes, OSError] = {}
        self.links: list[bytes] = []

    def run(self, rules: Rules) -> None:
        """Takes everything below the source that the rules let through."""
        stack = [(b"", rules, self._entries(b""))]
        while stack:
            path, rules, entries = stack.pop()
            for entry in entries:
                below = path + entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if rules.ignores(entry.name, is_folder):
                    continue
                if not is_folder:
                    self._take(below, entry)
                    continue
                inner = self._entries(below)
                names = {each.name for each in inner}
                if VIRTUAL_ENVIRONMENT in names:
                    continue
                self.found.folders.append(below)
                stack.append((below + b"/", rules.inside(entry.name, entry.path, names), inner))

    def _entries(self, path: bytes) -> list[os.DirEntry[bytes]]:
        try:
            with os.scandir(os.path.join(self.source, path)) as entries:
                return list(entries)
        except OSError as error:
            if path and isinstance(error, FileNotFoundError):
                return []  # gone since its parent was looked at
            self.unreadable[path or os.path.basename(self.source)] = error
            return []

    def _take(self, path: bytes, entry: os.DirEntry[bytes]) -> None:
        try:
            told = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        except OSError as error:
            self.unreadable[path] = error
            return
        if stat.S_ISREG(told.st_mode):
            self.found.files[path] = told
        elif stat.S_ISLNK(told.st_mode):
            self.links.append(path)
        else:
            self.found.skipped.append(f"{shown(path)} was left out: it is {_kind(told.st_mode)}, not a file")


def _kind(mode: int) -> str:
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a named pipe" if stat.S_ISFIFO(mode) else "a device"


def _take_links(walk: _Walk) -> None:
    """Keeps the links that lead to something that is sent; others would be broken there, or lead out of the folder."""
    found, top = walk.found, os.path.realpath(walk.source)
    sent = found.files.keys() | set(found.folders) | {b""}
    for path in walk.links:
        target = os.path.relpath(os.path.realpath(os.path.join(top, path)), top)
        target = b"" if target == b"." else target
        if target in sent:
            found.links[path] = os.path.relpath(os.path.join(top, target), os.path.dirname(os.path.join(top, path)))
        else:
            where = "leads out of the folder" if target.split(b"/")[0] == b".." else "leads to nothing that is sent"
            found.skipped.append(f"{shown(path)} was left out: the link {where}")


def _require_within(settings: SyncSettings, found: Found) -> None:
    faults = list(_too_large(settings, found))
    if faults:
        summary = "The project is too large for the cluster, so nothing was sent. Exclude files, or raise the limit"
        raise FileSizeError(summary, faults)


def _too_large(settings: SyncSettings, found: Found) -> Iterator[Fault]:
    if settings.max_file_size_mb is not None:
        limit, said = settings.max_file_size_mb * MEGABYTE, f"max_file_size_mb is {settings.max_file_size_mb:g}"
        large = sorted((-told.st_size, path) for path, told in found.files.items() if told.st_size > limit)
        yield from _not_too_many([Fault(shown(path), f"{_megabytes(-size)}, and {said}") for size, path in large])
    total = sum(told.st_size for told in found.files.values())
    if settings.max_size_mb is not None and total > settings.max_size_mb * MEGABYTE:
        count = len(found.files)
        yield Fault("total", f"{_megabytes(total)} in {count} files, and max_size_mb is {settings.max_size_mb:g}")


def _megabytes(size: int) -> str:
    """As the settings count, and in bytes, which tell it from a limit that it is just above of."""
    return f"{size / MEGABYTE:.1f} MB ({size} bytes)"


def _not_too_many(faults: list[Fault]) -> list[Fault]:
    more = len(faults) - NAMED_AT_MOST
    return faults if more <= 0 else [*faults[:NAMED_AT_MOST], Fault("", f"and {more} more")]
