"""A catalogue that is read again only when its files have changed.

Reading and checking a thousand entries takes seconds, looking at their files a hundredth of that.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from daybook.catalogue.catalogue import Catalogue, load_catalogue

LOOK_EVERY_SECONDS = 1.0
"""How old the last look at the files may be: a change shows up after a second, and many requests share a look."""

_REMEMBERED = 8  # catalogues, in one process

Signature = tuple[tuple[str, int, int, int, int], ...]


class CachedCatalogue:
    """The catalogue of some folders and lists, for processes that ask for it again and again.

    Args:
        paths: as `load_catalogue` takes them.
        clock: seconds, from any point.
    """

    def __init__(self, paths: Sequence[Path], clock: Callable[[], float] = time.monotonic) -> None:
        self._paths = tuple(Path(path) for path in paths)
        self._clock = clock
        self._reading = threading.Lock()
        self._found: tuple[Signature, Catalogue] | None = None
        self._looked_at = 0.0

    def read(self) -> Catalogue:
        """The catalogue as it was on disk a second ago or later.

        While one thread reads what has changed, the others get what was there before.
        """
        found = self._found
        if found is not None and (self._is_fresh() or not self._reading.acquire(blocking=False)):
            return found[1]
        if found is None:
            self._reading.acquire()
        try:
            return self._look()
        finally:
            self._reading.release()

    def read_now(self) -> Catalogue:
        """The catalogue as it is on disk at this moment; the files are looked at, and read only where they changed."""
        with self._reading:
            return self._look_now()

    def _is_fresh(self) -> bool:
        return self._clock() - self._looked_at < LOOK_EVERY_SECONDS

    def _look(self) -> Catalogue:
        if self._found is not None and self._is_fresh():
            return self._found[1]  # another thread has looked while this one waited
        return self._look_now()

    def _look_now(self) -> Catalogue:
        now = self._clock()
        # Taken before the files are read: what changes meanwhile is read again at the next look.
        signature = tuple(_signature(self._paths))
        if self._found is None or self._found[0] != signature:
            self._found = (signature, load_catalogue(self._paths))
        self._looked_at = now
        return self._found[1]


@lru_cache(maxsize=_REMEMBERED)
def cached_catalogue(paths: tuple[Path, ...]) -> CachedCatalogue:
    """The one of these paths in this process."""
    return CachedCatalogue(paths)


def _signature(paths: Sequence[Path]) -> Iterator[tuple[str, int, int, int, int]]:
    """Changes when a file, or a link to one, comes, goes or changes."""
    for path in paths:
        try:
            yield _mark(str(path), path.stat())
        except OSError:
            yield (str(path), 0, 0, 0, 0)
            continue
        if path.is_dir():
            yield from _below(str(path))


def _below(folder: str) -> Iterator[tuple[str, int, int, int, int]]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda each: each.name)
    except OSError:
        return  # the reading says what is wrong with it
    for each in found:
        try:
            yield _mark(each.path, each.stat())
        except OSError:
            yield (each.path, 0, 0, 0, 0)  # a link that leads nowhere
            continue
        if each.is_dir(follow_symlinks=False):
            yield from _below(each.path)


def _mark(path: str, found: os.stat_result) -> tuple[str, int, int, int, int]:
    return path, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
