"""What a folder lacks as a bucket: a replacement that overwrites nobody's, and walls that no link leads through."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder for this process alone, among all that lock it; leaves nothing behind in it.

    A network folder may know no locks; there, what is done within is only not interrupted by this machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def leads_out(root: Path, key: str) -> bool:
    """Whether a link on the way to a key, or at its end, leads out of a folder: a notebook can make one there."""
    place = str(root)
    for part in key.split("/"):
        place = f"{place}/{part}"
        if os.path.islink(place):  # noqa: PTH114 - a `Path` for each part of each key takes ten times as long
            return not Path(root, key).resolve().is_relative_to(root.resolve())
    return False


def within(root: Path) -> Callable[[str], bool]:
    """Whether a key of a listing lies in a folder, as a question that looks at each folder below it only once."""
    is_out = cache(lambda folder: leads_out(root, folder))

    def is_within(key: str) -> bool:
        if is_out(key.rpartition("/")[0]):
            return False
        return not (os.path.islink(f"{root}/{key}") and leads_out(root, key))  # noqa: PTH114 - as above

    return is_within


def linked(file: Path, place: Path) -> bool:
    """Gives a file a second name, in place of what had it; nobody sees the place without a file meanwhile.

    False where that cannot be done: the two are on different disks, or the place cannot be written.
    """
    made = place.with_name(f".{secrets.token_hex(8)}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, made)
        made.replace(place)
    except OSError:
        with suppress(OSError):
            made.unlink(missing_ok=True)
        return False
    return True
