"""The SQLite file of the index: a cache, which may be lost at any time and is made anew then."""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daybook.contract.errors import StoreFailed

VERSION = 2
"""Of the tables below, and of what is put into them; another version is another file."""
BUSY_SECONDS = 10.0
"""How long one process waits for another that writes; a batch takes milliseconds."""
_KEPT = 8
"""How many connections are kept open for the next who needs one."""
_CACHE_KIB = 16 * 1024
"""What a connection keeps of the file in memory: the index of 100,000 runs has some 50 MB, of which little is hot."""

_TABLES = """
CREATE TABLE IF NOT EXISTS places (
  place INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  bucket TEXT NOT NULL,
  refreshed_at REAL NOT NULL DEFAULT 0,
  enumerated_at REAL NOT NULL DEFAULT 0,
  recent_at REAL NOT NULL DEFAULT 0,
  failed_at REAL NOT NULL DEFAULT 0,
  filler TEXT NOT NULL DEFAULT '',
  filler_until REAL NOT NULL DEFAULT 0,
  UNIQUE (name, bucket)
);
CREATE TABLE IF NOT EXISTS days (
  place INTEGER NOT NULL, day TEXT NOT NULL, listed_at REAL NOT NULL DEFAULT 0, PRIMARY KEY (place, day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unread (
  place INTEGER NOT NULL, run_id TEXT NOT NULL, tried_at REAL NOT NULL DEFAULT 0, fault TEXT,
  PRIMARY KEY (place, run_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unread_tried ON unread (place, tried_at, run_id);
CREATE INDEX IF NOT EXISTS unread_faults ON unread (place, run_id) WHERE fault IS NOT NULL;
CREATE TABLE IF NOT EXISTS runs (
  place INTEGER NOT NULL, run_id TEXT NOT NULL,
  notebook TEXT NOT NULL, title TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, sealed INTEGER NOT NULL,
  attempt INTEGER NOT NULL, user TEXT, finished_at TEXT, duration REAL, bytes INTEGER NOT NULL, read_at REAL NOT NULL,
  UNIQUE (place, run_id)
);
CREATE INDEX IF NOT EXISTS runs_notebook ON runs (place, notebook, run_id, state, user);
CREATE INDEX IF NOT EXISTS runs_state ON runs (place, state, run_id, notebook, user);
CREATE INDEX IF NOT EXISTS runs_user ON runs (place, user, run_id, notebook, state);
CREATE INDEX IF NOT EXISTS runs_open ON runs (place, read_at) WHERE sealed = 0;
"""

log = logging.getLogger(__name__)


class Database:
    """Connections to the file, for many threads.

    Args:
        folder: where the file lies, of this machine: other processes of it may use the same one. None keeps everything
            in memory, and so does a folder that cannot be written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._alone = threading.RLock()
        self._file = _made(folder) if folder is not None else None
        self._memory = _open(None) if self._file is None else None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for a while.

        Raises:
            StoreFailed: the file is damaged; it is made anew.
        """
        if self._memory is not None:
            with self._alone:
                yield self._memory
            return
        connection = self._borrowed()
        try:
            yield connection
        except sqlite3.DatabaseError as error:
            connection.close()
            if not _is_damage(error):
                raise
            self._renew()
            raise StoreFailed("the index of runs was damaged and is made anew; look again in a moment") from error
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are made all or not at all."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        """Lets go of the file; doing it twice is fine, and whoever asks again opens it again."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _borrowed(self) -> sqlite3.Connection:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        try:
            return _open(self._file)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._renew()
            return _open(self._file)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._idle.qsize() < _KEPT:
            self._idle.put(connection)
        else:
            connection.close()

    def _renew(self) -> None:
        """Takes a damaged file away. Who has it open still goes on with it until he finds it damaged, too."""
        self.close()
        if self._file is not None:
            log.warning("The index of runs %s was damaged; it is made anew from the buckets", self._file)
            for ending in ("", "-wal", "-shm"):
                self._file.with_name(self._file.name + ending).unlink(missing_ok=True)
            _touch(self._file)


def _made(folder: Path) -> Path | None:
    """The file in a folder, for its owner alone; None where it cannot be made."""
    file = folder / f"history-{VERSION}.sqlite3"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _touch(file)
    except OSError as error:
        log.warning("The index of runs is kept in memory, for %s cannot be written: %s", file, error.strerror or error)
        return None
    return file


def _touch(file: Path) -> None:
    # SQLite gives the files that it makes beside this one the same mode.
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))


def _open(file: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file or ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
