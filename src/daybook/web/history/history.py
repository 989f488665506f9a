"""The index of runs."""

from __future__ import annotations

import logging
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from daybook.contract.errors import InvalidSettings, StoreFailed
from daybook.contract.manifest import Manifest
from daybook.storage import Store
from daybook.web.history.database import Database
from daybook.web.history.filling import Filler
from daybook.web.history.index import Index, Place
from daybook.web.history.model import Counts, Cursor, Filter, Page, RunRow
from daybook.web.history.reading import Kept, Look, is_moment
from daybook.web.history.refreshing import FIRST_READS, Refresher, is_due
from daybook.web.history.underway import Underway, wait_first, wait_for
from daybook.workspaces import Workspace

READS_AT_ONCE = 8
"""How many records are read at a time, for all who look and the filler together."""
REFRESHES_AT_ONCE = 4
FRESH_SECONDS = 1.0
"""For so long nobody looks into a bucket for new runs again."""
STALE_SECONDS = 5.0
"""What is older, a page says of itself; what is younger is shown without a word, and the look follows."""
WAIT_SECONDS = 0.03
"""How long a page whose index is older waits for the bucket; then it shows what the index has, and of when that is."""
LATE_SECONDS = 5.0
"""A bucket that has kept a look waiting for so long is said not to answer."""
FAILED_SECONDS = 10.0
"""After this time a bucket that did not answer is asked again."""
VERIFIED_SECONDS = 60.0
"""After this time a run that is shown is looked at again although it was sealed: it may run once more, or be gone."""
WORK_SECONDS = 5.0
"""How often it is looked whether the filler has anything to do."""
OPENED_SECONDS = 60.0
"""How long an opened bucket is kept: its credentials and address are read anew then."""
EXPECTED_FROM = 20
"""Of how many successful runs the expected time is the median."""
NAMED_UNREADABLE = 5

log = logging.getLogger(__name__)


class History:
    """Runs of all workspaces, by what lists show of them.

    Whoever asks names the workspaces, and is shown no others: who may see which is not decided here.

    Args:
        folder: where the index is kept; None keeps it in memory.
        bucket: opens a workspace's bucket.
        clock: seconds since the epoch.
    """

    def __init__(
        self, folder: Path | None, bucket: Callable[[Workspace], Store], clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._open = bucket
        self._database = Database(folder)
        self._index = Index(self._database)
        # Two pools: what waits for reads is never in the way of these.
        self._reads = ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="history-read")
        self._tasks = ThreadPoolExecutor(REFRESHES_AT_ONCE, thread_name_prefix="history-refresh")
        self._refresher = Refresher(self._index, self._reads, clock)
        self._filler = Filler(self._index, self._refresher, self._bucket, clock)
        self._lock = threading.Lock()
        self._underway: dict[tuple[str, int], Underway] = {}
        self._opened: dict[int, tuple[Store, float]] = {}
        self._looked_for_work: dict[int, float] = {}

    def page(
        self,
        workspaces: Sequence[Workspace],
        where: Filter,
        after: str | None = None,
        limit: int = 50,
        *,
        soon: bool = False,
    ) -> Page:
        """The newest runs that fit, or those that follow a page's `after`.

        Args:
            workspaces: where to look.
            where: which fit.
            after: where the page begins.
            limit: how many rows it has at most.
            soon: whether the first rows of a bucket that is new to the index are shown without the rest of the page,
                for somebody who will look again.

        Raises:
            ValueError: `after` is none that a page gave.
        """
        cursor = Cursor.read(after) if after is not None else None
        places = self._freshened(workspaces, soon=soon)
        found = [row for place in places.values() for row in self._index.page(place, where, cursor, limit + 1)]
        found.sort(key=lambda row: (row.run_id, row.workspace), reverse=True)
        rows = found[:limit]
        self._verify(workspaces, places, rows)
        now = self._clock()
        old = [p for p in places.values() if is_due(p.refreshed_at, STALE_SECONDS, now)]
        silent = [p.name for p in places.values() if p.failed_at or (p in old and self._is_late(p, now))]
        awaited = [p for p in old if p.name not in silent]
        return Page(
            rows,
            after=str(Cursor(rows[-1].run_id, rows[-1].workspace)) if len(found) > limit else None,
            is_complete=all(self._index.is_complete(place) for place in places.values()),
            unreadable=[each for p in places.values() for each in self._index.unreadable(p, NAMED_UNREADABLE)],
            not_refreshed=silent,
            is_refreshing=bool(awaited),
            as_of=_moment([p.refreshed_at for p in awaited]),
        )

    def last_runs(
        self, workspaces: Sequence[Workspace], notebooks: Sequence[str] | None = None
    ) -> Mapping[str, RunRow]:
        """The newest run that is known of each notebook, or of each of some, by the notebook's id."""
        found: dict[str, RunRow] = {}
        for place in self._freshened(workspaces, soon=True).values():
            for row in self._index.last_runs(place, notebooks):
                if row.notebook not in found or found[row.notebook].run_id < row.run_id:
                    found[row.notebook] = row
        return found

    def knows_all(self, workspaces: Sequence[Workspace]) -> bool:
        """Whether all runs were read that the last look at the buckets told of; else nothing is known of some."""
        return all(self._index.is_complete(self._index.place_of(each)) for each in workspaces)

    def known(self, workspace: Workspace, run_ids: Sequence[str]) -> Mapping[str, RunRow]:
        """Those of some runs that have a record, by id; they are looked at again soon, for somebody says they go on."""
        place = self._index.place_of(workspace)
        found = {row.run_id: row for row in self._index.some(place, run_ids)} if run_ids else {}
        doubtful = self._index.unverified(place.place, list(found), self._clock() - FRESH_SECONDS) if found else []
        self._look(workspace, place, doubtful)
        return found

    def notebooks(self, workspaces: Sequence[Workspace], limit: int) -> list[str]:
        """Ids of notebooks that ran in some workspaces, in order."""
        found = {each for w in workspaces for each in self._index.notebooks(self._index.place_of(w).place, limit)}
        return sorted(found)[:limit]

    def counts(self, workspaces: Sequence[Workspace]) -> list[Counts]:
        """How many runs there are of each notebook of each workspace, by how they stand."""
        return [each for place in self._freshened(workspaces).values() for each in self._index.counts(place)]

    def expected_seconds(self, workspace: Workspace, notebook: str) -> float | None:
        """How long the notebook's last successful runs took (their median); None where there are none."""
        place = self._index.place_of(workspace)
        found = self._index.durations(place.place, notebook, EXPECTED_FROM)
        return statistics.median(found) if found else None

    def note(self, workspace: Workspace, manifest: Manifest) -> None:
        """Takes up what somebody has just read; where the index cannot be written, it is read anew later.

        Args:
            workspace: in whose bucket the record lies; what it says itself of that, a notebook may have written.
            manifest: the record.
        """
        if not is_moment(manifest.run_id):
            return
        try:
            self._note(workspace, manifest)
        except (sqlite3.Error, StoreFailed) as error:
            log.warning("The index of runs cannot be written: %s", error)

    def close(self) -> None:
        """Ends what goes on in the background; doing it twice is fine."""
        self._filler.close()
        for pool in (self._tasks, self._reads):
            pool.shutdown(cancel_futures=True)
        self._database.close()

    def _note(self, workspace: Workspace, manifest: Manifest) -> None:
        place, kept = self._index.place_of(workspace), Kept.of(manifest)
        known = self._index.some(place, [manifest.run_id])
        if known and (known[0].attempt, known[0].state, known[0].sealed) == (kept.attempt, kept.state, kept.sealed):
            return
        self._index.take_up(place.place, [Look(manifest.run_id, self._clock(), kept)])

    def _freshened(self, workspaces: Sequence[Workspace], *, soon: bool = False) -> dict[str, Place]:
        """The places of some workspaces, looked into if that was too long ago, and the filler set to work."""
        now = self._clock()
        places = {each.name: self._index.place_of(each) for each in workspaces}
        due = [each for each in workspaces if _is_to_refresh(places[each.name], now)]
        most = max(1, FIRST_READS // max(1, len(due)))
        begun = [(places[each.name], self._refresh(each, places[each.name], most)) for each in due]
        old = [(place, underway) for place, underway in begun if is_due(place.refreshed_at, STALE_SECONDS, now)]
        if old:
            wait_for([underway for place, underway in old if place.refreshed_at], WAIT_SECONDS, now)
            wait_first([underway for place, underway in old if not place.refreshed_at], now, soon=soon)
            places = {each.name: self._index.place_of(each) for each in workspaces}
        for each in workspaces:
            if places[each.name].refreshed_at:
                self._fill(each, places[each.name], now)
        return places

    def _refresh(self, workspace: Workspace, place: Place, most: int) -> Underway:
        begun = threading.Event()

        def work() -> None:
            self._refresher.refresh(place, self._bucket(workspace), most, begun.set)
            if not place.refreshed_at:  # the filler would have read the same, and been in the way
                self._fill(workspace, place, self._clock())

        return self._begin("refresh", workspace, place, work, begun)

    def _is_late(self, place: Place, now: float) -> bool:
        """Whether the bucket has kept the look that is under way waiting for long."""
        with self._lock:
            underway = self._underway.get(("refresh", place.place))
        return underway is not None and not underway.future.done() and underway.has_lasted(now) >= LATE_SECONDS

    def _verify(self, workspaces: Sequence[Workspace], places: Mapping[str, Place], rows: Sequence[RunRow]) -> None:
        """Has the shown runs looked at again that were not for long, after they are shown."""
        before = self._clock() - VERIFIED_SECONDS
        for workspace in workspaces:
            shown = [row.run_id for row in rows if row.workspace == workspace.name]
            place = places[workspace.name]
            self._look(workspace, place, self._index.unverified(place.place, shown, before) if shown else [])

    def _look(self, workspace: Workspace, place: Place, run_ids: Sequence[str]) -> None:
        if run_ids and is_due(place.failed_at, FAILED_SECONDS, self._clock()):
            self._begin("look", workspace, place, lambda: self._refresher.look(place, self._bucket(workspace), run_ids))

    def _fill(self, workspace: Workspace, place: Place, now: float) -> None:
        if not is_due(self._looked_for_work.get(place.place, 0.0), WORK_SECONDS, now):
            return
        self._looked_for_work[place.place] = now
        if is_due(place.failed_at, FAILED_SECONDS, now) and self._refresher.is_work(place):
            self._filler.want(workspace)

    def _begin(
        self,
        what: str,
        workspace: Workspace,
        place: Place,
        work: Callable[[], None],
        begun: threading.Event | None = None,
    ) -> Underway:
        """Begins a task of a place in the background, unless the same is under way already."""
        with self._lock:
            found = self._underway.get((what, place.place))
            if found is None or found.future.done():
                future = self._tasks.submit(self._guarded, workspace, place, work)
                found = Underway(future, self._clock(), begun or threading.Event())
                self._underway[(what, place.place)] = found
                future.add_done_callback(lambda _: found.begun.set())
            return found

    def _guarded(self, workspace: Workspace, place: Place, work: Callable[[], None]) -> None:
        """Work that nobody waits for in the end: that a bucket does not answer is noted, and shown on the page."""
        try:
            work()
        except (StoreFailed, InvalidSettings) as error:
            log.warning("The runs of workspace %s could not be looked at: %s", workspace.name, error)
            self._index.note_failed(place.place, self._clock())
        except sqlite3.Error as error:
            log.warning("The index of runs cannot be written: %s", error)
        except Exception:  # a thread's edge: what nobody thought of is no reason to try again at once
            log.exception("The runs of workspace %s could not be looked at", workspace.name)
            self._index.note_failed(place.place, self._clock())

    def _bucket(self, workspace: Workspace) -> Store:
        place, now = self._index.place_of(workspace).place, time.monotonic()
        found = self._opened.get(place)
        if found is None or now - found[1] > OPENED_SECONDS:
            found = self._opened[place] = (self._open(workspace), now)
        return found[0]


def _is_to_refresh(place: Place, now: float) -> bool:
    return is_due(place.refreshed_at, FRESH_SECONDS, now) and is_due(place.failed_at, FAILED_SECONDS, now)


def _moment(refreshed_at: Sequence[float]) -> datetime | None:
    """When the oldest was refreshed; None where one never was, or there is none."""
    return datetime.fromtimestamp(min(refreshed_at), UTC) if refreshed_at and min(refreshed_at) else None
