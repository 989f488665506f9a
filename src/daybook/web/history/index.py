"""The tables of the index: what is asked of them and put into them. No bucket is read here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from daybook.contract.manifest import Reason, State
from daybook.web.history.database import Database
from daybook.web.history.model import DURATION_SECONDS, Counts, Cursor, Filter, RunRow, Unreadable
from daybook.web.history.reading import Kept, Look, moment_of
from daybook.workspaces import Workspace

_KEPT = tuple(each.name for each in fields(Kept))
_COLUMNS = ", ".join(("run_id", *_KEPT))
_CLOCK_SECONDS = 60.0
"""A moment that lies so far in the future was noted before the clock was set back, and does not count."""

_PUT = f"""
INSERT INTO runs (place, read_at, {_COLUMNS}) VALUES ({", ".join("?" * (len(_KEPT) + 3))})
ON CONFLICT (place, run_id) DO UPDATE SET read_at = excluded.read_at, {", ".join(f"{c} = excluded.{c}" for c in _KEPT)}
WHERE excluded.read_at >= runs.read_at OR runs.read_at > excluded.read_at + {_CLOCK_SECONDS}
"""  # noqa: S608 - names of our own columns

# One seek for each notebook, and none of the rows between: SQLite would read all of them for a GROUP BY.
_NOTEBOOKS = """
WITH RECURSIVE ids (notebook) AS (
  SELECT min(notebook) FROM runs WHERE place = :place
  UNION ALL
  SELECT (SELECT min(notebook) FROM runs WHERE place = :place AND notebook > ids.notebook)
  FROM ids WHERE ids.notebook IS NOT NULL
)
"""
# CROSS, which SQLite never turns around: with few notebooks it would rather read every run and ask for each of them.
_LAST_OF_IDS = f"""
SELECT {", ".join(f"runs.{c}" for c in ("run_id", *_KEPT))} FROM ids
CROSS JOIN runs ON runs.place = :place
AND runs.run_id = (SELECT max(run_id) FROM runs WHERE place = :place AND notebook = ids.notebook)
WHERE ids.notebook IS NOT NULL
"""  # noqa: S608 - names of our own columns
_LAST = f"{_NOTEBOOKS} {_LAST_OF_IDS}"
_LAST_OF_SOME = f"WITH ids (notebook) AS (SELECT value FROM json_each(:notebooks)) {_LAST_OF_IDS}"  # noqa: S608


@dataclass(frozen=True)
class Place:
    """A workspace's bucket in the index. Moments are seconds, 0 for never.

    Attributes:
        place: its number in the tables.
        name: the workspace's.
        refreshed_at: when its newest days were listed.
        enumerated_at: when all its days were looked for.
        recent_at: when its recent days were looked for.
        failed_at: when its bucket did not answer; 0 once it has.
    """

    place: int
    name: str
    refreshed_at: float
    enumerated_at: float
    recent_at: float
    failed_at: float


class Index:
    """What the tables hold."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def place_of(self, workspace: Workspace) -> Place:
        """A workspace's place; of another bucket than before, it is another one."""
        key = (workspace.name, f"{workspace.bucket} {workspace.bucket_endpoint or ''}".strip())
        found = self._place(key)
        if found is None:
            with self._database.writing() as connection:
                connection.execute("INSERT OR IGNORE INTO places (name, bucket) VALUES (?, ?)", key)
            found = self._place(key)
        if found is None:
            raise LookupError(f"no place for workspace {workspace.name}")
        return found

    def _place(self, key: tuple[str, str]) -> Place | None:
        columns = ", ".join(each.name for each in fields(Place))
        asked = f"SELECT {columns} FROM places WHERE name = ? AND bucket = ?"  # noqa: S608 - names of our own columns
        rows = self._rows(asked, key)
        return Place(*rows[0]) if rows else None

    def note_refreshed(self, place: int, at: float) -> None:
        """The newest days were listed; the bucket answers."""
        self._change("UPDATE places SET refreshed_at = ?, failed_at = 0 WHERE place = ?", (at, place))

    def note_failed(self, place: int, at: float) -> None:
        """The bucket did not answer."""
        self._change("UPDATE places SET failed_at = ? WHERE place = ?", (at, place))

    def lease(self, place: int, holder: str, now: float, seconds: float) -> bool:
        """Makes somebody the only one who fills a place for a while; False where somebody else is."""
        with self._database.writing() as connection:
            changed = connection.execute(
                "UPDATE places SET filler = ?, filler_until = ? WHERE place = ? "
                "AND (filler IN (?, '') OR filler_until < ? OR filler_until > ?)",
                (holder, now + seconds, place, holder, now, now + seconds + _CLOCK_SECONDS),
            )
            return changed.rowcount > 0

    def release(self, place: int, holder: str) -> None:
        """Lets others fill."""
        self._change("UPDATE places SET filler = '' WHERE place = ? AND filler = ?", (place, holder))

    def take_up_days(self, place: int, days: Sequence[str], at: float) -> None:
        """All days of which the bucket holds runs; of others it holds none any more."""
        with self._database.writing() as connection:
            known = {day for (day,) in connection.execute("SELECT day FROM days WHERE place = ?", (place,))}
            for day in known - set(days):
                _forget_runs(connection, place, day, set(), at)
                connection.execute("DELETE FROM days WHERE place = ? AND day = ? AND listed_at < ?", (place, day, at))
            connection.executemany("INSERT OR IGNORE INTO days (place, day) VALUES (?, ?)", ((place, d) for d in days))
            connection.execute("UPDATE places SET enumerated_at = ?, recent_at = ? WHERE place = ?", (at, at, place))

    def take_up_recent_days(self, place: int, days: Sequence[str], at: float) -> None:
        """Days of which the bucket holds runs; of others nothing is said."""
        with self._database.writing() as connection:
            connection.executemany("INSERT OR IGNORE INTO days (place, day) VALUES (?, ?)", ((place, d) for d in days))
            connection.execute("UPDATE places SET recent_at = ? WHERE place = ?", (at, place))

    def take_up_day(self, place: int, day: str, run_ids: Iterable[str], at: float) -> None:
        """The runs of one day, as a listing that began at a moment told: new ones are to be read, others are gone."""
        listed = set(run_ids)
        with self._database.writing() as connection:
            known = _forget_runs(connection, place, day, listed, at)
            rows = [(place, run_id) for run_id in listed - known]
            connection.executemany("INSERT OR IGNORE INTO unread (place, run_id) VALUES (?, ?)", rows)
            if listed or known:
                connection.execute("INSERT OR REPLACE INTO days VALUES (?, ?, ?)", (place, day, at))
            else:
                connection.execute("DELETE FROM days WHERE place = ? AND day = ?", (place, day))

    def take_up(self, place: int, looks: Iterable[Look]) -> None:
        """What records said when they were looked at. A later look counts, whoever comes first."""
        found = list(looks)
        readable = [(place, each.at, each.run_id, *astuple(each.kept)) for each in found if each.kept is not None]
        others = [each for each in found if each.kept is None]
        with self._database.writing() as connection:
            connection.executemany(_PUT, readable)
            gone = "DELETE FROM unread WHERE place = ? AND run_id = ?"
            connection.executemany(gone, ((place, each.run_id) for each in found if each.kept is not None))
            gone = "DELETE FROM runs WHERE place = ? AND run_id = ? AND read_at <= ?"
            connection.executemany(gone, ((place, each.run_id, each.at) for each in others))
            tried = "INSERT OR REPLACE INTO unread (place, run_id, tried_at, fault) VALUES (?, ?, ?, ?)"
            connection.executemany(tried, ((place, each.run_id, each.at, each.fault) for each in others))

    def unread(self, place: int, limit: int, tried_before: float, since: str = "") -> list[str]:
        """Runs whose records are to be read, the newest first: never tried ones, then those tried before a moment."""
        never = (
            "SELECT run_id FROM unread WHERE place = ? AND tried_at = 0 AND run_id >= ? ORDER BY run_id DESC LIMIT ?"
        )
        found = self._rows(never, (place, since, limit))
        if not found:
            again = (
                "SELECT run_id FROM unread WHERE place = ? AND tried_at > 0 AND tried_at < ? AND run_id >= ? "
                "ORDER BY tried_at LIMIT ?"
            )
            found = self._rows(again, (place, tried_before, since, limit))
        return [run_id for (run_id,) in found]

    def open_runs(self, place: int, limit: int, read_before: float) -> list[str]:
        """Runs that were not sealed when they were last looked at, those first that were so the longest time ago."""
        asked = "SELECT run_id FROM runs WHERE place = ? AND sealed = 0 AND read_at < ? ORDER BY read_at LIMIT ?"
        return [run_id for (run_id,) in self._rows(asked, (place, read_before, limit))]

    def unverified(self, place: int, run_ids: Sequence[str], read_before: float) -> list[str]:
        """Those of some runs that were last looked at before a moment."""
        marks = ", ".join("?" * len(run_ids))
        asked = f"SELECT run_id FROM runs WHERE place = ? AND read_at < ? AND run_id IN ({marks})"  # noqa: S608
        return [run_id for (run_id,) in self._rows(asked, (place, read_before, *run_ids))]

    def due_days(self, place: int, recent: str, recent_before: float, old_before: float, limit: int) -> list[str]:
        """The newest days that are to be listed: never listed, or too long ago for their age."""
        asked = (
            "SELECT day FROM days WHERE place = ? "
            "AND (listed_at = 0 OR listed_at < CASE WHEN day >= ? THEN ? ELSE ? END) ORDER BY day DESC LIMIT ?"
        )
        return [day for (day,) in self._rows(asked, (place, recent, recent_before, old_before, limit))]

    def is_complete(self, place: Place) -> bool:
        """Whether all that the bucket held was read."""
        asked = (
            "SELECT EXISTS (SELECT 1 FROM unread WHERE place = :p AND tried_at = 0) "
            "OR EXISTS (SELECT 1 FROM days WHERE place = :p AND listed_at = 0)"
        )
        return place.enumerated_at > 0 and not self._rows(asked, {"p": place.place})[0][0]

    def page(self, place: Place, where: Filter, after: Cursor | None, limit: int) -> list[RunRow]:
        """The newest runs of a place that fit and come after the cursor."""
        terms, values = _terms(place, where, after)
        asked = f"SELECT {_COLUMNS} FROM runs WHERE {' AND '.join(terms)} ORDER BY run_id DESC LIMIT ?"  # noqa: S608
        return [_row(place.name, row) for row in self._rows(asked, (*values, limit))]

    def some(self, place: Place, run_ids: Sequence[str]) -> list[RunRow]:
        """Those of some runs that are known."""
        marks = ", ".join("?" * len(run_ids))
        asked = f"SELECT {_COLUMNS} FROM runs WHERE place = ? AND run_id IN ({marks})"  # noqa: S608
        return [_row(place.name, row) for row in self._rows(asked, (place.place, *run_ids))]

    def last_runs(self, place: Place, notebooks: Sequence[str] | None = None) -> list[RunRow]:
        """The newest run of each notebook, or of each of some."""
        values = {"place": place.place}
        if notebooks is None:
            return [_row(place.name, row) for row in self._rows(_LAST, values)]
        found = self._rows(_LAST_OF_SOME, {**values, "notebooks": json.dumps(list(notebooks))})
        return [_row(place.name, row) for row in found]

    def notebooks(self, place: int, limit: int) -> list[str]:
        """Ids of notebooks that ran, in order."""
        asked = f"{_NOTEBOOKS} SELECT notebook FROM ids WHERE notebook IS NOT NULL LIMIT :limit"  # noqa: S608
        return [notebook for (notebook,) in self._rows(asked, {"place": place, "limit": limit})]

    def unreadable(self, place: Place, limit: int) -> list[Unreadable]:
        """The newest runs whose records cannot be read."""
        asked = "SELECT run_id, fault FROM unread WHERE place = ? AND fault IS NOT NULL ORDER BY run_id DESC LIMIT ?"
        return [Unreadable(place.name, *row) for row in self._rows(asked, (place.place, limit))]

    def durations(self, place: int, notebook: str, limit: int) -> list[float]:
        """How long the last successful runs of a notebook took, seconds."""
        asked = (
            "SELECT duration FROM runs WHERE place = ? AND notebook = ? AND state = ? AND sealed = 1 "
            "AND duration IS NOT NULL ORDER BY run_id DESC LIMIT ?"
        )
        return [seconds for (seconds,) in self._rows(asked, (place, notebook, str(State.SUCCEEDED), limit))]

    def counts(self, place: Place) -> list[Counts]:
        """How many runs there are of each notebook, by how they stand. Reads every row: 0.16 s for 100,000."""
        below = ", ".join(f"sum(duration <= {bound})" for bound in DURATION_SECONDS)
        sums = "total(duration), CAST(total(bytes) AS INTEGER)"  # `sum` fails at what no integer holds
        what = f"notebook, state, reason, count(*), count(duration), {sums}, {below}"
        asked = f"SELECT {what} FROM runs WHERE place = ? GROUP BY notebook, state, reason"  # noqa: S608 - our own text
        return [
            Counts(place.name, notebook, state, reason, runs, timed, seconds, size, tuple(each or 0 for each in took))
            for notebook, state, reason, runs, timed, seconds, size, *took in self._rows(asked, (place.place,))
        ]

    def _rows(self, asked: str, values: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
        with self._database.reading() as connection:
            return connection.execute(asked, values).fetchall()

    def _change(self, asked: str, values: Sequence[Any]) -> None:
        with self._database.writing() as connection:
            connection.execute(asked, values)


def _forget_runs(connection: sqlite3.Connection, place: int, day: str, listed: set[str], at: float) -> set[str]:
    """Drops a day's runs that a listing does not tell of; those stay that were looked at since it began."""
    within = (place, f"{day}T", f"{day}U")
    known = dict(
        connection.execute(
            "SELECT run_id, read_at FROM runs WHERE place = ? AND run_id > ? AND run_id < ? UNION ALL "
            "SELECT run_id, tried_at FROM unread WHERE place = ? AND run_id > ? AND run_id < ?",
            (*within, *within),
        )
    )
    gone = [(place, run_id) for run_id, seen in known.items() if run_id not in listed and seen < at]
    for table in ("runs", "unread"):
        connection.executemany(f"DELETE FROM {table} WHERE place = ? AND run_id = ?", gone)  # noqa: S608
    return set(known)


def _terms(place: Place, where: Filter, after: Cursor | None) -> tuple[list[str], list[Any]]:
    """Conditions and values; the first and what follows of it is the beginning of an index."""
    given: list[tuple[str, Any]] = [("place = ?", place.place)]
    if where.notebook is not None:
        given.append(("notebook = ?", where.notebook))
    if where.state is not None:
        given.append(("state = ?", str(where.state)))
    if where.user is not None:
        given.append(("user = ?", where.user))
    if where.since is not None:
        given.append(("run_id >= ?", f"{where.since:%Y%m%d}"))
    if where.until is not None:
        given.append(("run_id < ?", f"{where.until + timedelta(days=1):%Y%m%d}"))
    if after is not None:
        # Runs of one id are ordered by workspace, those of the later name first.
        given.append(("run_id <= ?" if place.name < after.workspace else "run_id < ?", after.run_id))
    return [term for term, _ in given], [value for _, value in given]


def _row(workspace: str, row: tuple[Any, ...]) -> RunRow:
    run_id, notebook, title, state, reason, sealed, attempt, user, finished_at, duration, _bytes = row
    return RunRow(
        workspace=workspace,
        run_id=run_id,
        notebook=notebook,
        title=title,
        state=State(state),
        reason=Reason(reason) if reason else None,
        sealed=bool(sealed),
        attempt=attempt,
        user=user,
        asked_at=moment_of(run_id),
        finished_at=datetime.fromisoformat(finished_at) if finished_at else None,
        duration_seconds=duration,
    )
