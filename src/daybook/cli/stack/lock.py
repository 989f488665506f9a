"""One `up` or `down` at a time: the second waits for the first."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from daybook.contract.errors import InfrastructureFailed

WAIT_SECONDS = 300.0
"""The longest that a first `up` takes on a slow machine."""
_POLL_SECONDS = 0.1


@contextmanager
def exclusive(path: Path, say: Callable[[str], None], wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Holds the lock file while the body runs; the system lets go of it even when the process is killed.

    Raises:
        InfrastructureFailed: another process still holds it after `wait_seconds`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        _take(file.fileno(), path, say, wait_seconds)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _take(descriptor: int, path: Path, say: Callable[[str], None], wait_seconds: float) -> None:
    until = time.monotonic() + wait_seconds
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = path.read_text().strip() or "unknown"
            if time.monotonic() > until:
                raise InfrastructureFailed(
                    f"another daybook command (process {holder}) has been at work on this stack for "
                    f"{wait_seconds:.0f} s; wait for it or end it, then try again"
                ) from None
            if not told:
                say(f"waiting for another daybook command (process {holder})")
                told = True
            time.sleep(_POLL_SECONDS)
        else:
            return
