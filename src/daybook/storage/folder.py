"""What a folder lacks as a bucket: replacing an object only if nobody else has."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
