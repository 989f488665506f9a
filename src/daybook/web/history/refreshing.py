"""Bringing the index up to date with a bucket: the newest days while somebody waits, all the rest little by little."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from daybook.storage import Store
from daybook.web.history.index import Index, Place
from daybook.web.history.reading import Look, days_of, days_of_month, look_at, newest_days, runs_of_day

FIRST_READS = 60
"""How many records are read at once, at most, while somebody waits: a page's worth."""
FIRST_BATCH = 16
"""How many of them between two writes to the index: whoever waits no longer is shown what was read so far. What fits on
a screen, and two rounds of what is read at a time."""
FIRST_DAYS = 7
"""How many of the newest days are listed before a bucket's first page; what they do not hold follows."""
OPEN_SECONDS = 1.0
"""A run that is not sealed is looked at again no sooner."""
ABSENT_SECONDS = 5.0
"""A new run that has no record yet is looked for again after this time."""

BATCH = 64
"""How many records are read between two writes to the index."""
DAYS_BATCH = 8
"""How many days are listed between two writes."""
DAYS_SECONDS = 600.0
"""After this time all days of a bucket are listed anew: an old one may be new to us, or gone."""
RECENT_DAYS = 14
"""A run of one of these may have waited for so long before it got its record."""
RECENT_SECONDS = 60.0
"""After this time a recent day is listed anew."""
OLD_SECONDS = 6 * 3600.0
"""The same for an older one, of which nothing is to be expected but that its runs are removed."""
_AROUND = timedelta(hours=1)
_DAY_SECONDS = 86400
AGAIN_SECONDS = 3600.0
"""After this time a record that could not be read, or was not there, is tried again."""


class Refresher:
    """Reads buckets on behalf of the index.

    Args:
        index: what is brought up to date.
        reads: reads records and lists days, several at a time; nothing in it waits for anything else in it.
        clock: seconds since the epoch.
    """

    def __init__(self, index: Index, reads: ThreadPoolExecutor, clock: Callable[[], float]) -> None:
        self._index = index
        self._reads = reads
        self._clock = clock

    def refresh(
        self, place: Place, bucket: Store, most: int = FIRST_READS, begun: Callable[[], None] = lambda: None
    ) -> None:
        """Finds new runs of these days, and looks at those again that were not through.

        Args:
            place: the workspace's.
            bucket: its bucket.
            most: how many records are read.
            begun: called once the index has the first of the newest runs of a bucket that it knew nothing of, and more
                follow.

        Raises:
            StoreFailed: the bucket does not answer.
        """
        now = self._clock()
        days, is_first = _days_now(now), place.refreshed_at == 0
        if is_first:
            most -= self._first_runs(place, bucket, days, most, now, begun)
        else:
            self._list(place, bucket, days, now)
        fresh = self._index.unread(place.place, most, now - ABSENT_SECONDS, "" if is_first else days[0])
        wanted = [*fresh, *self._index.open_runs(place.place, most, now - OPEN_SECONDS)]
        for begin in range(0, len(wanted), FIRST_BATCH):
            self.look(place, bucket, wanted[begin : begin + FIRST_BATCH])
        self._index.note_refreshed(place.place, now)

    def fill(self, place: Place, bucket: Store) -> bool:
        """One step towards an index that holds all of a bucket; False where there is nothing to do now.

        Raises:
            StoreFailed: the bucket does not answer.
        """
        now = self._clock()
        if is_due(place.enumerated_at, DAYS_SECONDS, now):
            self._index.take_up_days(place.place, days_of(bucket), now)
            return True
        if is_due(place.recent_at, RECENT_SECONDS, now):
            self._index.take_up_recent_days(place.place, self._recent_days(bucket, now), now)
            return True
        run_ids = self._index.unread(place.place, BATCH, now - AGAIN_SECONDS)
        if run_ids:
            self.look(place, bucket, run_ids)
            return True
        days = self._due_days(place, now, DAYS_BATCH)
        self._list(place, bucket, days, now)
        return bool(days)

    def is_work(self, place: Place) -> bool:
        """Whether `fill` would do anything."""
        now = self._clock()
        return (
            is_due(place.enumerated_at, DAYS_SECONDS, now)
            or is_due(place.recent_at, RECENT_SECONDS, now)
            or bool(self._index.unread(place.place, 1, now - AGAIN_SECONDS))
            or bool(self._due_days(place, now, 1))
        )

    def look(self, place: Place, bucket: Store, run_ids: Sequence[str]) -> None:
        """Looks at some records, and takes up what they say.

        Raises:
            StoreFailed: the bucket does not answer.
        """
        now = self._clock()

        def look(run_id: str) -> Look:
            return look_at(bucket, run_id, now)

        if run_ids:
            self._index.take_up(place.place, self._reads.map(look, run_ids))

    def _list(self, place: Place, bucket: Store, days: Sequence[str], now: float) -> int:
        """Lists some days; how many runs they have."""
        found = list(self._reads.map(lambda day: (day, runs_of_day(bucket, day)), days))
        for day, run_ids in found:
            self._index.take_up_day(place.place, day, run_ids, now)
        return sum(len(run_ids) for _, run_ids in found)

    def _first_runs(
        self, place: Place, bucket: Store, days: Sequence[str], most: int, now: float, begun: Callable[[], None]
    ) -> int:
        """Lists the newest days of a bucket of which nothing is known, and reads some runs of them; how many.

        A listing may take longer than all reads: none is made before the first reads but today's, and yesterday's where
        today has no run yet. So a run of tomorrow, which a clock that goes ahead has asked for, follows.
        """
        listed, read, wanted, done = 0, 0, min(most, FIRST_BATCH), list[str]()
        for day in (_day(now), _day(now - _DAY_SECONDS)):
            listed += self._list(place, bucket, [day], now)
            done.append(day)
            newest = self._index.unread(place.place, wanted - read, now - ABSENT_SECONDS)
            self.look(place, bucket, newest)
            read += len(newest)
            if read:
                begun()
            if read >= wanted:
                break
        others = [day for day in days if day not in done]
        listed += self._list(place, bucket, others, now)
        if listed < most:
            self._list(place, bucket, self._first_days(place, bucket, [*done, *others], now), now)
        return read

    def _first_days(self, place: Place, bucket: Store, listed: Sequence[str], now: float) -> list[str]:
        found = newest_days(bucket, FIRST_DAYS)
        if len(found) < FIRST_DAYS:
            self._index.take_up_days(place.place, found, now)  # there are no others
        return [day for day in found if day not in listed]

    def _recent_days(self, bucket: Store, now: float) -> list[str]:
        months = {_day(now - days * _DAY_SECONDS)[:6] for days in range(RECENT_DAYS + 1)}
        return [day for found in self._reads.map(lambda month: days_of_month(bucket, month), months) for day in found]

    def _due_days(self, place: Place, now: float, limit: int) -> list[str]:
        recent = _day(now - RECENT_DAYS * _DAY_SECONDS)
        return self._index.due_days(place.place, recent, now - RECENT_SECONDS, now - OLD_SECONDS, limit)


def is_due(at: float, every: float, now: float) -> bool:
    """Whether what was done at a moment is to be done again; what lies in the future, a wrong clock has noted."""
    return not 0 <= now - at < every


def _days_now(now: float) -> list[str]:
    """The days of which runs may begin now, the oldest first: today, and around midnight the one before or after, too.

    Clocks differ, and runs wait. Each day is a listing, made again and again while somebody looks; what comes later
    yet, the filler finds within a minute.
    """
    moment = datetime.fromtimestamp(now, UTC)
    return sorted({f"{moment + step:%Y%m%d}" for step in (-_AROUND, timedelta(), _AROUND)})


def _day(now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%d}"
