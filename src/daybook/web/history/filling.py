"""The thread that reads what nobody waits for: one a process, while there is something to read."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable

from daybook.contract.errors import InvalidSettings, StoreFailed
from daybook.storage import Store
from daybook.web.history.index import Index
from daybook.web.history.refreshing import Refresher
from daybook.workspaces import Workspace

LEASE_SECONDS = 30.0
"""For how long a process is the only one to fill a workspace's index before it must say so again. A step takes less; a
process that was killed holds others up for no longer."""
PAUSE_SECONDS = 0.02
"""Between two steps, at least."""
REST = 1.0
"""How long the thread rests after a step, by what that took: half of the time belongs to whoever looks at pages."""

log = logging.getLogger(__name__)


class Filler:
    """Fills the index of wanted workspaces step by step, in turns.

    Args:
        index: says which process fills what.
        refresher: makes the steps.
        bucket: opens a workspace's bucket.
        clock: seconds since the epoch.
    """

    def __init__(
        self, index: Index, refresher: Refresher, bucket: Callable[[Workspace], Store], clock: Callable[[], float]
    ) -> None:
        self._index = index
        self._refresher = refresher
        self._bucket = bucket
        self._clock = clock
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lock = threading.Lock()
        self._wanted: dict[str, Workspace] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def want(self, workspace: Workspace) -> None:
        """Has a workspace's index filled, unless another process does so already."""
        with self._lock:
            self._wanted[workspace.name] = workspace
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="history-fill", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Ends the thread after its step; doing it twice is fine."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join(LEASE_SECONDS)

    def _run(self) -> None:
        while (workspace := self._next()) is not None:
            began = time.monotonic()
            if not self._step(workspace):
                self._drop(workspace)
            self._stop.wait(max(PAUSE_SECONDS, (time.monotonic() - began) * REST))

    def _next(self) -> Workspace | None:
        """Whose turn it is; None where nothing is to be done, and the thread ends."""
        with self._lock:
            if self._stop.is_set() or not self._wanted:
                self._thread = None
                return None
            name = next(iter(self._wanted))
            workspace = self._wanted.pop(name)
            self._wanted[name] = workspace
            return workspace

    def _step(self, workspace: Workspace) -> bool:
        """One step; False where there is none to make now. Whoever looks at the history next wants it again."""
        try:
            place = self._index.place_of(workspace)
            if not self._index.lease(place.place, self._holder, self._clock(), LEASE_SECONDS):
                return False
            try:
                if self._refresher.fill(place, self._bucket(workspace)):
                    return True
            except (StoreFailed, InvalidSettings) as error:
                log.warning("The index of the runs of workspace %s cannot be filled: %s", workspace.name, error)
                self._index.note_failed(place.place, self._clock())
            self._index.release(place.place, self._holder)
        except (sqlite3.Error, StoreFailed) as error:
            log.warning("The index of runs cannot be written: %s", error)
        except RuntimeError:
            # The process ends, and its pools take nothing more. What is not read now is read by the next one.
            self._stop.set()
        except Exception:  # a thread's edge: the others' turn comes all the same
            log.exception("The index of the runs of workspace %s cannot be filled", workspace.name)
        return False

    def _drop(self, workspace: Workspace) -> None:
        with self._lock:
            self._wanted.pop(workspace.name, None)
