"""The index of runs: made from buckets, never wrong for long, and lost without loss."""

import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from moto.server import ThreadedMotoServer

from builders import ASKED_AT, RUN_ID, a_manifest, a_run_id, a_workspace, an_output
from daybook.contract import keys
from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import NotebookRecord, Reason, State, Timings
from daybook.storage import open_store, record_of, remove_run
from daybook.web.history import Filter, History, index
from daybook.web.history.database import _TABLES, VERSION
from daybook.web.history.history import LATE_SECONDS
from daybook.web.history.reading import Kept, Look
from daybook.web.history.refreshing import FIRST_BATCH

OPEN = a_workspace(name="open")
CLOSED = a_workspace(name="closed", namespace="closed")
ALL = Filter()


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = (ASKED_AT + timedelta(hours=1)).timestamp()

    def __call__(self) -> float:
        return self.now


class Bucket:
    """A bucket that counts what is read of it, and can be away, or slow."""

    def __init__(self, store, counts=None, down=None):
        self.store, self.counts, self.down = store, counts if counts is not None else [], down or threading.Event()
        self.listing = threading.Event()
        self.listing.set()

    def below(self, prefix):
        return Bucket(self.store.below(prefix), self.counts, self.down)

    def read_tagged(self, key, _limit=None):
        return self._asked("read", self.store.url_of(key), self.store.read_tagged, key)

    def children(self, prefix):
        assert self.listing.wait(60)
        return self._asked("list", prefix, self.store.children, prefix)

    def url_of(self, key):
        return self.store.url_of(key)

    def _asked(self, verb, what, work, key):
        self.counts.append((verb, what))
        if self.down.is_set():
            raise StoreFailed("the bucket is away")
        return work(key)

    def reads(self):
        return sum(verb == "read" for verb, _ in self.counts)


@pytest.fixture(params=["memory", "folder"])
def store(request, tmp_path):
    return open_store("memory:///" if request.param == "memory" else str(tmp_path / "bucket"))


@pytest.fixture
def bucket(store):
    return Bucket(store)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def history(bucket, clock, tmp_path):
    made = History(tmp_path / "state", lambda _: bucket, clock)
    yield made
    made.close()


def put(store, number=0, asked_at=ASKED_AT, notebook="flights_delays", **changes):
    run_id = a_run_id(notebook, asked_at + timedelta(seconds=number), str(number))
    record = NotebookRecord(id=notebook, title=notebook.title(), source="/n.ipynb")
    manifest = a_manifest(**{"run_id": run_id, "notebook": record, **changes})
    record_of(store, run_id).store.write(keys.MANIFEST, manifest.to_json().encode())
    return run_id


def ids(page):
    return [row.run_id for row in page.rows]


def filled(history, workspaces=(OPEN,)):
    """The first page once the filler has read everything."""
    while True:
        found, thread = history.page(workspaces, ALL), history._filler._thread
        if thread is not None:
            thread.join(30)
        elif found.is_complete:
            return found
        history._looked_for_work.clear()


def settled(history):
    """When what was begun in the background is through."""
    for underway in list(history._underway.values()):
        underway.future.result(30)


def looked(history, workspaces=(OPEN,)):
    """The page once what the first look at it began is through."""
    history.page(workspaces, ALL)
    settled(history)
    return history.page(workspaces, ALL)


def test_a_bucket_without_runs_has_an_empty_complete_page(history):
    found = filled(history)
    assert (found.rows, found.after, found.is_complete, found.not_refreshed) == ([], None, True, [])


def test_runs_are_listed_newest_first_with_what_their_records_say(history, store):
    older = put(store, 1)
    newer = put(store, 2, state=State.FAILED, reason=Reason.CELL_ERROR, user=None, attempt=2)
    first, second = history.page([OPEN], ALL).rows
    assert (first.run_id, first.state, first.reason, first.user, first.attempt) == (
        newer, State.FAILED, Reason.CELL_ERROR, None, 2,
    )  # fmt: skip
    assert (second.run_id, second.workspace, second.title, second.user) == (older, "open", "Flights_Delays", "alice")
    assert second.asked_at == ASKED_AT + timedelta(seconds=1)
    assert second.finished_at == datetime(2026, 11, 23, 1, 2, 16, tzinfo=UTC)
    assert (second.duration_seconds, second.sealed) == (12.0, True)


def test_the_first_page_of_a_large_bucket_reads_a_page_and_says_that_more_follows(history, store, bucket):
    for number in range(150):
        put(store, number, asked_at=ASKED_AT - timedelta(days=number % 10))
    history._filler.want = lambda _: None
    found = history.page([OPEN], ALL)
    assert len(found.rows) == 50
    assert not found.is_complete
    assert bucket.reads() <= 60


@pytest.fixture
def gated(store, clock, monkeypatch):
    """A history of a bucket of which only the records of one batch can be read before `going_on` is set."""
    monkeypatch.setattr("daybook.web.history.underway.WHOLE_SECONDS", 0)
    bucket, going_on, asked = Bucket(store), threading.Event(), []
    history = History(None, lambda _: bucket, clock)
    look = history._refresher.look

    def once(place, bucket, run_ids):
        asked.extend([run_ids] if run_ids else [])
        assert len(asked) <= 1 or going_on.wait(60)
        look(place, bucket, run_ids)

    history._refresher.look = once
    yield history, going_on
    going_on.set()
    history.close()


def test_the_first_runs_of_a_slow_bucket_are_shown_before_the_page_is_whole(gated, store):
    history, going_on = gated
    made = [put(store, number) for number in range(60)]
    found = history.page([OPEN], ALL, soon=True)
    assert ids(found) == made[: -FIRST_BATCH - 1 : -1]
    assert (found.is_refreshing, found.is_complete, found.as_of, found.after) == (True, False, None, None)
    assert list(found.not_refreshed) == []
    going_on.set()
    settled(history)
    found = history.page([OPEN], ALL, soon=True)
    assert (ids(found), found.is_refreshing) == (made[:-51:-1], False)


def test_whoever_will_not_look_again_gets_the_whole_page(gated, store):
    history, going_on = gated
    made = [put(store, number) for number in range(60)]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(history.page, [OPEN], ALL)
        assert ids(history.page([OPEN], ALL, soon=True)) == made[: -FIRST_BATCH - 1 : -1]
        assert not asked.done()
        going_on.set()
        assert ids(asked.result(60)) == made[:-51:-1]


def test_where_today_has_few_runs_they_are_shown_before_yesterday_is_listed(gated, store):
    history, going_on = gated
    older = [put(store, number, asked_at=ASKED_AT - timedelta(days=1)) for number in range(30)]
    newer = [put(store, number) for number in range(2)]
    found = history.page([OPEN], ALL, soon=True)
    assert (ids(found), found.is_refreshing) == (newer[::-1], True)
    going_on.set()
    settled(history)
    assert ids(history.page([OPEN], ALL, soon=True)) == [*newer[::-1], *older[::-1]]


def test_where_today_has_no_run_those_of_yesterday_are_shown_first(gated, store):
    history, going_on = gated
    older = [put(store, number, asked_at=ASKED_AT - timedelta(days=1)) for number in range(30)]
    assert ids(history.page([OPEN], ALL, soon=True)) == older[: -FIRST_BATCH - 1 : -1]
    going_on.set()


def test_before_older_days_are_looked_for_one_batch_of_today_and_yesterday_is_read(history, store, bucket):
    for number in range(30):
        put(store, number, asked_at=ASKED_AT - timedelta(days=1))
    put(store, 1)
    history.page([OPEN], ALL, soon=True)
    settled(history)
    verbs = [verb for verb, _ in bucket.counts]
    third = [at for at, verb in enumerate(verbs) if verb == "list"][2]
    assert verbs[:third] == ["list", "read", "list", *["read"] * (FIRST_BATCH - 1)]


def test_the_filler_reads_the_rest_and_ends(history, store):
    expected = {put(store, number, asked_at=ASKED_AT - timedelta(days=number * 30)) for number in range(150)}
    filled(history)
    found, after = set(), None
    while True:
        page = history.page([OPEN], ALL, after)
        found |= set(ids(page))
        if (after := page.after) is None:
            break
    assert found == expected
    assert page.is_complete
    assert history._filler._thread is None


def test_nothing_is_read_twice_without_need(history, store, bucket):
    for number in range(5):
        put(store, number)
    filled(history)
    bucket.counts.clear()
    history.page([OPEN], ALL)
    assert bucket.counts == []


def test_a_new_run_is_there_a_moment_later(history, store, clock):
    put(store, 1)
    filled(history)
    new = put(store, 2)
    clock.now += 6
    assert ids(looked(history))[0] == new


def test_an_index_that_is_a_little_old_is_shown_at_once_and_refreshed_after(history, store, bucket, clock):
    old = put(store, 1)
    filled(history)
    new = put(store, 2)
    clock.now += 2
    bucket.listing.clear()
    found = history.page([OPEN], ALL)
    assert (ids(found), found.is_refreshing, found.as_of) == ([old], False, None)
    bucket.listing.set()
    settled(history)
    assert ids(history.page([OPEN], ALL)) == [new, old]


def test_an_index_that_is_old_waits_for_no_slow_bucket_and_says_of_when_it_is(history, store, bucket, clock):
    old = put(store, 1)
    before = clock.now
    filled(history)
    new = put(store, 2)
    clock.now += 3600
    bucket.listing.clear()
    found = history.page([OPEN], ALL)
    assert (ids(found), found.is_refreshing, list(found.not_refreshed)) == ([old], True, [])
    assert found.as_of.timestamp() == before
    assert list(history.last_runs([OPEN])) == ["flights_delays"]
    bucket.listing.set()
    settled(history)
    found = history.page([OPEN], ALL)
    assert (ids(found), found.is_refreshing, found.as_of) == ([new, old], False, None)


def test_while_somebody_looks_today_alone_is_listed(history, store, bucket, clock):
    put(store, 1, asked_at=ASKED_AT - timedelta(days=1))
    put(store, 2)
    filled(history)
    bucket.counts.clear()
    clock.now += 6
    looked(history)
    assert [what for verb, what in bucket.counts if verb == "list"] == ["runs/2026/11/23"]


@pytest.mark.parametrize(("hours", "days"), [(-1.5, ["22", "23"]), (1, ["23"]), (21.5, ["23", "24"])])
def test_around_midnight_two_days_are_listed(history, bucket, clock, hours, days):
    filled(history)
    bucket.counts.clear()
    clock.now += hours * 3600
    history._filler.want = lambda _: None
    looked(history)
    assert sorted(what for verb, what in bucket.counts if verb == "list") == [f"runs/2026/11/{day}" for day in days]


def test_what_was_read_before_a_bucket_went_away_is_shown(history, store, bucket):
    made = [put(store, number) for number in range(50)]
    take_up, taken = history._index.take_up, []

    def then_away(place, looks):
        take_up(place, looks)
        taken.append(place)
        bucket.down.set()

    history._index.take_up = then_away
    found = history.page([OPEN], ALL)
    assert ids(found) == made[: -FIRST_BATCH - 1 : -1]
    assert (list(found.not_refreshed), len(taken)) == (["open"], 1)


def test_a_run_that_goes_on_is_looked_at_again_at_most_once_a_second(history, store, bucket, clock):
    run_id = put(store, 1, state=State.RUNNING, sealed=False)
    assert filled(history).rows[0].state is State.RUNNING
    put(store, 1)
    bucket.counts.clear()
    for _ in range(3):
        history.page([OPEN], ALL)
    assert bucket.reads() == 0
    clock.now += 6
    assert looked(history).rows[0].state is State.SUCCEEDED
    assert [verb for verb, _ in bucket.counts].count("read") == 1
    assert run_id


def test_a_sealed_run_that_was_cleared_shows_within_a_minute_of_being_looked_at(history, store, clock):
    put(store, 1, asked_at=ASKED_AT - timedelta(days=300))
    filled(history)
    put(store, 1, asked_at=ASKED_AT - timedelta(days=300), attempt=2, state=State.RUNNING, sealed=False)
    clock.now += 61
    history.page([OPEN], ALL)
    settled(history)
    row = history.page([OPEN], ALL).rows[0]
    assert (row.attempt, row.state) == (2, State.RUNNING)


@pytest.mark.parametrize("age", [0, 300])
def test_a_run_that_retention_removed_is_gone(history, store, clock, age):
    gone, kept = (put(store, number, asked_at=ASKED_AT - timedelta(days=age)) for number in (1, 2))
    filled(history)
    remove_run(store, gone, "too old")
    clock.now += 61
    history.page([OPEN], ALL)
    settled(history)
    assert ids(history.page([OPEN], ALL)) == [kept]


def test_a_whole_month_that_was_removed_is_gone(history, store, clock):
    gone = [put(store, number, asked_at=ASKED_AT - timedelta(days=100)) for number in range(70)]
    kept = put(store, 100)
    filled(history)
    for run_id in gone:
        remove_run(store, run_id, "too old")
    clock.now += 601
    history._looked_for_work.clear()
    history.page([OPEN], ALL)
    if (thread := history._filler._thread) is not None:
        thread.join(30)
    assert ids(history.page([OPEN], ALL)) == [kept]


def test_a_run_whose_removal_has_begun_is_none(history, store):
    run_id = put(store, 1)
    record_of(store, run_id).store.write(keys.MANIFEST, b'{"removed_manifest": "{}"}')
    assert filled(history).rows == []


def test_a_run_that_waited_for_days_before_it_got_its_record_is_found(history, store, clock):
    put(store, 1)
    filled(history)
    late = put(store, 2, asked_at=ASKED_AT - timedelta(days=5))
    clock.now += 61
    history.page([OPEN], ALL)
    if (thread := history._filler._thread) is not None:
        thread.join(30)
    assert late in ids(history.page([OPEN], ALL))


@pytest.mark.parametrize("hours", [-30, -2, 0.5])
def test_runs_of_a_clock_that_differs_are_found(history, store, clock, hours):
    filled(history)
    run_id = put(store, asked_at=datetime.fromtimestamp(clock.now, UTC) + timedelta(hours=hours))
    clock.now += 61
    history.page([OPEN], ALL)
    if (thread := history._filler._thread) is not None:
        thread.join(30)
    assert ids(history.page([OPEN], ALL)) == [run_id]


def test_a_clock_that_is_set_back_stops_nothing(history, store, clock):
    put(store, 1)
    filled(history)
    clock.now -= 3600
    new = put(store, 2)
    assert ids(looked(history))[0] == new


def forged(**changes):
    return json.dumps({**json.loads(a_manifest().to_json()), **changes}).encode()


@pytest.mark.parametrize(
    "content",
    [b"{}", b"not JSON", b'{"schema_version": 99}', b"\xff", b"", forged(attempt=-(10**40)), forged(attempt=10**40)],
)
def test_a_broken_record_is_named_and_harms_no_other(history, store, content):
    good, broken = put(store, 1), put(store, 2)
    record_of(store, broken).store.write(keys.MANIFEST, content.replace(RUN_ID.encode(), broken.encode()))
    found = filled(history)
    assert ids(found) == [good]
    assert [(each.workspace, each.run_id) for each in found.unreadable] == [("open", broken)]
    assert found.unreadable[0].fault


def test_what_nobody_thought_of_in_one_bucket_keeps_no_other_from_being_read(store, clock, caplog):
    class Strange(Bucket):
        def children(self, prefix):
            raise LookupError("nobody thought of this")

    good, buckets = put(store, 1), {"open": Strange(store), "closed": store}
    made = History(None, lambda workspace: buckets[workspace.name], clock)
    made._filler.want(OPEN)
    assert ids(filled(made, [CLOSED])) == [good]
    assert made.page([OPEN], ALL).not_refreshed == ["open"]
    assert "nobody thought of this" in caplog.text
    made.close()


def test_folders_that_are_no_years_and_months_are_not_looked_into(history, store, bucket):
    for number in range(40):
        store.write(f"runs/{3000 + number}/01/02/x/y", b"")
        store.write(f"runs/2026/{60 + number}/02/x/y", b"")
    put(store, 1)
    filled(history)
    assert sum(verb == "list" for verb, _ in bucket.counts) < 20


def test_a_record_that_says_it_is_another_runs_is_none(history, store):
    run_id = put(store, 1)
    record_of(store, run_id).store.write(keys.MANIFEST, a_manifest(workspace="closed").to_json().encode())
    found = filled(history)
    assert found.rows == []
    assert "the record says that it is of run" in found.unreadable[0].fault


def test_what_a_record_says_of_its_workspace_counts_nothing(history, store):
    put(store, 1, workspace="closed")
    assert [row.workspace for row in filled(history).rows] == ["open"]
    history.note(OPEN, a_manifest(workspace="closed", run_id=a_run_id("x")))
    assert [row.workspace for row in history.page([OPEN], ALL).rows] == ["open", "open"]


def test_hostile_names_are_cut_and_kept_as_they_are(history, store):
    text = "'; DROP TABLE runs; --" + "x" * 5000
    put(store, 1, user=text, notebook=text, timings=Timings(finished_at="0001-01-01T00:00:00+14:00"))
    row = filled(history).rows[0]
    assert row.notebook.startswith("'; DROP TABLE runs; --")
    assert len(row.user) == len(row.notebook) == 200
    assert row.finished_at is None


def test_what_is_no_run_is_passed_by(history, store):
    store.write("runs/2026/11/23/notes/a.txt", b"x")
    store.write("runs/2026/13/99/20261399T000000Z-x-0123456789/manifest.json", b"x")
    store.write("runs/zoo/animals/x/y", b"x")
    good = put(store, 1)
    assert ids(filled(history)) == [good]


def test_a_bucket_that_does_not_answer_is_named_and_the_index_shown(history, store, bucket, clock, caplog):
    run_id = put(store, 1)
    filled(history)
    bucket.down.set()
    clock.now += 6
    found = looked(history)
    assert (ids(found), list(found.not_refreshed), found.is_refreshing) == ([run_id], ["open"], False)
    bucket.counts.clear()
    history.page([OPEN], ALL)
    assert bucket.counts == [], "it is left alone for a while"
    bucket.down.clear()
    clock.now += 11
    assert looked(history).not_refreshed == []


def test_one_bucket_that_does_not_answer_hides_no_other(store, clock):
    away = Bucket(store)
    away.down.set()
    history = History(None, lambda workspace: away if workspace.name == "closed" else Bucket(store), clock)
    run_id = put(store, 1)
    found = history.page([OPEN, CLOSED], ALL)
    assert (ids(found), list(found.not_refreshed)) == ([run_id], ["closed"])
    history.close()


@pytest.mark.parametrize("soon", [True, False])
def test_a_bucket_that_hangs_holds_no_page_up_for_long(store, clock, soon, monkeypatch):
    mine, other = ("SOON_SECONDS", "FIRST_WAIT_SECONDS") if soon else ("FIRST_WAIT_SECONDS", "SOON_SECONDS")
    for name, seconds in ((mine, 0.01), ("WHOLE_SECONDS", 0.01), (other, 10_000)):
        monkeypatch.setattr(f"daybook.web.history.underway.{name}", seconds)
    hanging = Bucket(store)
    hanging.listing.clear()
    history = History(None, lambda _: hanging, clock)
    found = history.page([OPEN], ALL, soon=soon)
    assert (found.rows, found.is_refreshing, found.as_of, found.is_complete) == ([], True, None, False)
    assert list(found.not_refreshed) == []
    clock.now += LATE_SECONDS
    found = history.page([OPEN], ALL, soon=soon)
    assert (found.rows, list(found.not_refreshed), found.is_refreshing) == ([], ["open"], False)
    hanging.listing.set()
    history.close()


FILTERS = [
    (Filter(notebook="alpha"), lambda n: n % 2 == 0),
    (Filter(state=State.FAILED), lambda n: n % 3 == 0),
    (Filter(user="bob"), lambda n: n % 5 == 0),
    (Filter(since=date(2026, 11, 20)), lambda n: n < 4),
    (Filter(until=date(2026, 11, 20)), lambda n: n >= 3),
    (Filter(since=date(2026, 11, 20), until=date(2026, 11, 20)), lambda n: n == 3),
    (Filter(notebook="alpha", state=State.FAILED, user="bob"), lambda n: n % 30 == 0),
    (Filter(notebook="alp"), lambda n: False),
]


@pytest.mark.parametrize(("where", "fits"), FILTERS)
def test_filters_choose_what_they_say(history, store, where, fits):
    made = {
        n: put(
            store, asked_at=ASKED_AT - timedelta(days=n), notebook=("alpha", "beta")[n % 2],
            state=State.SUCCEEDED if n % 3 else State.FAILED, user="alice" if n % 5 else "bob",
        )
        for n in range(40)
    }  # fmt: skip
    filled(history)
    assert ids(history.page([OPEN], where)) == [run_id for n, run_id in made.items() if fits(n)]


def test_every_filter_is_answered_by_an_index(history, store):
    put(store, 1)
    filled(history)
    from daybook.web.history.index import _terms

    place = history._index.place_of(OPEN)
    for where, _ in FILTERS:
        terms, values = _terms(place, where, None)
        asked = f"EXPLAIN QUERY PLAN SELECT title FROM runs WHERE {' AND '.join(terms)} ORDER BY run_id DESC LIMIT 51"
        with history._database.reading() as connection:
            plan = " ".join(row[-1] for row in connection.execute(asked, values))
        assert "SEARCH runs USING INDEX" in plan
        assert "TEMP B-TREE" not in plan


def test_pages_of_several_workspaces_follow_one_another_without_gap_or_double(store, clock, tmp_path):
    other = open_store("memory:///")
    history = History(tmp_path, lambda workspace: other if workspace.name == "closed" else store, clock)
    for number in range(70):
        put(store if number % 3 else other, number)
    for number in range(10):  # the very same id in both
        put(store, 1000 + number)
        put(other, 1000 + number)
    filled(history, (OPEN, CLOSED))
    found, after = [], None
    while True:
        page = history.page([OPEN, CLOSED], ALL, after, limit=7)
        found += [(row.run_id, row.workspace) for row in page.rows]
        if (after := page.after) is None:
            break
    assert len(found) == 90
    assert found == sorted(set(found), reverse=True)
    history.close()


def test_other_workspaces_are_not_shown(store, clock, tmp_path):
    history = History(tmp_path, lambda _: store, clock)
    put(store, 1)
    filled(history, (OPEN, CLOSED))
    assert {row.workspace for row in history.page([OPEN], ALL).rows} == {"open"}
    assert history.page([], ALL).rows == []
    assert history.last_runs([]) == {}
    history.close()


@pytest.mark.parametrize("after", ["", "x", "20261123T010203Z-a-0123456789", "../x.open", "a.b.c", "\0"])
def test_a_cursor_that_no_page_gave_is_refused(history, after):
    with pytest.raises(ValueError, match="begin at the first page"):
        history.page([OPEN], ALL, after)


@pytest.mark.parametrize("asked", [index._LAST, index._LAST_OF_SOME])
def test_the_last_runs_are_found_without_a_look_at_all_runs(asked):
    connection = sqlite3.connect(":memory:")
    connection.executescript(_TABLES)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {asked}", {"place": 1, "notebooks": "[]"}).fetchall()
    steps = [what for *_, what in plan if " runs " in what]
    assert steps
    assert all("run_id=?" in step or "COVERING INDEX runs_notebook" in step for step in steps), steps


def test_the_last_run_of_each_notebook(history, store):
    put(store, 1, notebook="alpha")
    last = {"alpha": put(store, 3, notebook="alpha"), "beta": put(store, 2, notebook="beta", state=State.LOST)}
    filled(history)
    found = history.last_runs([OPEN])
    assert {notebook: row.run_id for notebook, row in found.items()} == last
    assert found["beta"].state is State.LOST
    assert {notebook: row.run_id for notebook, row in history.last_runs([OPEN], ["beta", "none"]).items()} == {
        "beta": last["beta"]
    }


def test_not_all_is_known_of_a_bucket_before_it_was_read(gated, store):
    history, going_on = gated
    last = [put(store, number, notebook=f"notebook_{number:02}") for number in range(60)]
    assert sorted(row.run_id for row in history.last_runs([OPEN]).values()) == last[-FIRST_BATCH:]
    assert not history.knows_all([OPEN])
    going_on.set()
    filled(history)
    assert len(history.last_runs([OPEN])) == 60
    assert history.knows_all([OPEN])


def test_the_last_run_of_a_notebook_is_that_of_any_of_the_workspaces(store, clock):
    other = open_store("memory:///")
    history = History(None, lambda workspace: other if workspace.name == "closed" else store, clock)
    put(store, 1)
    last = put(other, 2)
    filled(history, (OPEN, CLOSED))
    for order in ([OPEN, CLOSED], [CLOSED, OPEN]):
        assert history.last_runs(order)["flights_delays"].run_id == last
    history.close()


def test_the_expected_time_is_the_median_of_the_last_successes(history, store):
    for number, (seconds, state) in enumerate(
        [(10, "succeeded"), (30, "succeeded"), (1000, "failed"), (20, "succeeded")]
    ):
        put(store, number, timings=Timings(duration_seconds=seconds), state=State(state))
    filled(history)
    assert history.expected_seconds(OPEN, "flights_delays") == 20
    assert history.expected_seconds(OPEN, "none") is None


def test_what_somebody_has_read_is_taken_up_at_once(history, store):
    filled(history)
    run_id = put(store, 1)
    history.note(OPEN, record_of(store, run_id).read())
    assert ids(history.page([OPEN], ALL)) == [run_id]


def test_an_earlier_look_that_comes_late_changes_nothing(history, store, clock):
    run_id = put(store, 1)
    filled(history)
    from daybook.web.history.reading import Kept, Look

    running = Kept.of(a_manifest(run_id=run_id, state=State.RUNNING, sealed=False))
    place = history._index.place_of(OPEN)
    for kept in (running, None):
        history._index.take_up(place.place, [Look(run_id, clock.now - 1, kept)])
    assert history.page([OPEN], ALL).rows[0].state is State.SUCCEEDED


def test_a_run_that_was_read_while_a_day_was_listed_stays(history, clock):
    history.note(OPEN, a_manifest())
    place = history._index.place_of(OPEN)
    history._index.take_up_day(place.place, "20261123", [], clock.now - 1)
    assert len(history._index.page(place, ALL, None, 50)) == 1
    history._index.take_up_day(place.place, "20261123", [], clock.now + 1)
    assert history._index.page(place, ALL, None, 50) == []


def test_runs_that_somebody_says_go_on_are_looked_at_again(history, store, clock):
    run_id = put(store, 1, asked_at=ASKED_AT - timedelta(days=300))
    filled(history)
    put(store, 1, asked_at=ASKED_AT - timedelta(days=300), attempt=2, state=State.RUNNING, sealed=False)
    clock.now += 2
    assert list(history.known(OPEN, [run_id, a_run_id("none")])) == [run_id]
    settled(history)
    assert history.known(OPEN, [run_id])[run_id].attempt == 2


def test_processes_of_one_machine_share_the_index(bucket, store, clock, tmp_path):
    put(store, 1)
    one, other = (History(tmp_path, lambda _: bucket, clock) for _ in range(2))
    filled(one)
    bucket.counts.clear()
    found = other.page([OPEN], ALL)
    assert (len(found.rows), found.is_complete, bucket.counts) == (1, True, [])
    one.close()
    other.close()


def test_only_one_process_fills(history, clock):
    history.page([OPEN], ALL)
    index, place = history._index, history._index.place_of(OPEN)
    index.release(place.place, history._filler._holder)
    assert index.lease(place.place, "one", clock.now, 30)
    assert not index.lease(place.place, "other", clock.now, 30)
    assert index.lease(place.place, "one", clock.now + 20, 30)
    assert not index.lease(place.place, "other", clock.now + 40, 30)
    assert index.lease(place.place, "other", clock.now + 51, 30), "whoever was killed is followed"
    assert index.lease(place.place, "one", clock.now - 3600, 30), "and a clock that was set back holds nobody up"


def test_the_index_is_for_its_owner_alone_and_named_by_its_version(history, tmp_path):
    history.page([OPEN], ALL)
    files = sorted((tmp_path / "state").iterdir())
    assert files[0].name == f"history-{VERSION}.sqlite3"
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_lost_index_is_made_anew(bucket, store, clock, tmp_path):
    run_id = put(store, 1)
    first = History(tmp_path, lambda _: bucket, clock)
    filled(first)
    first.close()
    for file in tmp_path.glob("history-*"):
        file.unlink()
    second = History(tmp_path, lambda _: bucket, clock)
    assert ids(second.page([OPEN], ALL)) == [run_id]
    second.close()


def test_a_damaged_index_is_made_anew(bucket, store, clock, tmp_path, caplog):
    run_id = put(store, 1)
    (tmp_path / f"history-{VERSION}.sqlite3").write_bytes(b"no database at all " * 1000)
    history = History(tmp_path, lambda _: bucket, clock)
    assert ids(history.page([OPEN], ALL)) == [run_id]
    assert "was damaged" in caplog.text
    history.close()


def test_an_index_that_is_damaged_while_it_is_used_is_made_anew(history, store, tmp_path, caplog):
    run_id = put(store, 1)
    filled(history)
    history._database.close()
    (tmp_path / "state" / f"history-{VERSION}.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xff" * 40960)
    (tmp_path / "state" / f"history-{VERSION}.sqlite3-wal").unlink(missing_ok=True)
    assert ids(filled(history)) == [run_id]


def test_a_folder_that_cannot_be_used_costs_nothing_but_memory(bucket, store, clock, tmp_path, caplog):
    (tmp_path / "state").write_text("a file")
    run_id = put(store, 1)
    history = History(tmp_path / "state", lambda _: bucket, clock)
    assert ids(filled(history)) == [run_id]
    assert "kept in memory" in caplog.text
    history.close()


def test_another_bucket_of_the_same_workspace_has_another_history(store, clock, tmp_path):
    history = History(tmp_path, lambda workspace: store, clock)
    put(store, 1)
    filled(history)
    moved = OPEN.model_copy(update={"bucket": str(tmp_path / "new")})
    assert history._index.page(history._index.place_of(moved), ALL, None, 50) == []
    history.close()


def test_two_processes_that_write_at_once_wait_for_one_another(history, tmp_path):
    history.page([OPEN], ALL)
    other = sqlite3.connect(tmp_path / "state" / f"history-{VERSION}.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    done = threading.Thread(target=history.note, args=(OPEN, a_manifest()))
    done.start()
    other.execute("COMMIT")
    done.join(30)
    assert len(history.page([OPEN], ALL).rows) == 1
    other.close()


def test_closing_twice_is_fine(history):
    history.page([OPEN], ALL)
    history.close()
    history.close()


def test_s3(clock, tmp_path):
    import httpx

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        httpx.put(f"{endpoint}/runs").raise_for_status()
        environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
        store = open_store("s3://runs/team", {**environment, "AWS_ENDPOINT_URL": endpoint})
        expected = [put(store, number, asked_at=ASKED_AT - timedelta(days=number * 20)) for number in range(12)]
        history = History(tmp_path, lambda _: store, clock)
        assert ids(filled(history)) == expected
        remove_run(store, expected[0], "too old")
        clock.now += 6
        assert ids(looked(history)) == expected[1:]
        history.close()
    finally:
        server.stop()


def test_an_index_that_cannot_be_written_spoils_nobodys_page(history, store, tmp_path, caplog):
    put(store, 1)
    filled(history)
    other = sqlite3.connect(tmp_path / "state" / f"history-{VERSION}.sqlite3", isolation_level=None)
    with history._database.reading() as connection:
        connection.execute("PRAGMA busy_timeout = 0")
    other.execute("BEGIN IMMEDIATE")
    history.note(OPEN, a_manifest(run_id=a_run_id("x")))
    assert "cannot be written" in caplog.text
    other.close()


def test_what_records_say_of_sizes_can_be_added_up_however_many_they_are(history):
    place = history._index.place_of(OPEN)
    kept = Kept.of(a_manifest(outputs=(an_output(size=10**40),)))
    looks = [Look(a_run_id("x", ASKED_AT, str(number)), 1.0, kept) for number in range(2**13)]
    history._index.take_up(place.place, looks)
    (found,) = history._index.counts(place)
    assert (found.runs, found.bytes) == (2**13, 2**63 - 1)
