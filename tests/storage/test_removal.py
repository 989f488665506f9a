"""Pins, and removing a run: whoever is killed in the middle, no half of a run looks like a whole one."""

import pytest

from builders import ASKED_AT, RUN_ID, a_manifest, a_run_id
from daybook.contract import keys
from daybook.contract.errors import InvalidRequest, StoreFailed
from daybook.contract.manifest import State
from daybook.storage import (
    ObjectChanged,
    Outcome,
    Pin,
    Store,
    network,
    open_store,
    pin_of,
    pin_run,
    record_of,
    removal,
    remove_run,
    run_ids,
    unpin_run,
)
from runner.faults import FaultProxy, answering, losing_the_answer
from storage.conftest import BUCKET

OTHER = a_run_id("flights_delays", ASKED_AT, "another of that day")
PREFIX = keys.run_prefix(RUN_ID)
FILES = {"notebook.ipynb": b"nb", "outputs/a.csv": b"a", "outputs/deep/b.csv": b"bb", "attempts/2/log.txt": b"l"}


class Killed(BaseException):
    """The sweeper's process ends here."""


@pytest.fixture
def record(store):
    """The record of a sealed run, with files; another run of that day lies beside it."""
    for run in (RUN_ID, OTHER):
        record_of(store, run).write(a_manifest(run_id=run))
        for name, content in FILES.items():
            store.write(f"{keys.run_prefix(run)}/{name}", content)
    store.write("runs/readme.txt", b"not a run")
    return record_of(store, RUN_ID)


def killed(*_):
    raise Killed


def pin_at(record):
    """A pin, as somebody writes it whom no gravestone keeps from it."""
    record.store.write(keys.PIN, b"{}")


def objects(store, prefix=PREFIX):
    return {each.key for each in store.objects(f"{prefix}/")}


def test_a_removed_run_leaves_nothing_and_no_other_is_touched(store, record):
    size = sum(each.size for each in record.store.objects())
    removed = remove_run(store, RUN_ID, "old")
    assert (removed.outcome, removed.size) == (Outcome.REMOVED, size)
    assert objects(store) == set()
    assert objects(store, keys.run_prefix(OTHER)) == {f"{keys.run_prefix(OTHER)}/{n}" for n in (*FILES, keys.MANIFEST)}
    assert store.read("runs/readme.txt") == b"not a run"
    assert list(run_ids(store)) == [OTHER]
    assert remove_run(store, RUN_ID, "again").outcome is Outcome.REMOVED


def test_a_dry_run_changes_nothing(store, record):
    before = {each.key: each.modified for each in store.objects()}
    remove_run(store, RUN_ID, "old", dry_run=True)
    assert {each.key: each.modified for each in store.objects()} == before


def test_a_run_on_its_way_stays(store, record):
    record.write(a_manifest(attempt=2, state=State.RUNNING, sealed=False))
    assert remove_run(store, RUN_ID, "old").outcome is Outcome.OPEN
    assert record.read().attempt == 2
    assert f"{PREFIX}/outputs/a.csv" in objects(store)


def test_a_manifest_that_nobody_can_read_stays(store, record):
    store.write(f"{PREFIX}/{keys.MANIFEST}", b'{"schema_version": 2}')
    assert remove_run(store, RUN_ID, "old").outcome is Outcome.UNREADABLE
    assert f"{PREFIX}/outputs/a.csv" in objects(store)


def test_what_is_too_large_to_be_a_manifest_stays_and_is_not_read(store, record, monkeypatch):
    monkeypatch.setattr(removal, "MAX_MANIFEST_BYTES", 10)
    assert remove_run(store, RUN_ID, "old").outcome is Outcome.UNREADABLE
    assert keys.REMOVAL not in {each.key for each in record.store.objects()}


def test_a_gravestone_may_be_larger_than_its_manifest(store, record, monkeypatch):
    manifest = record.store.read(keys.MANIFEST)
    monkeypatch.setattr(removal, "MAX_MANIFEST_BYTES", len(manifest))
    monkeypatch.setattr(Store, "delete_all", killed)
    with pytest.raises(Killed):
        remove_run(store, RUN_ID, "old")
    pin_at(record)
    assert remove_run(store, RUN_ID, "old").outcome is Outcome.PINNED
    assert record.store.read(keys.MANIFEST) == manifest


@pytest.mark.parametrize("rest", [b"", b"1}", b"[[[", b'"\\ud800"}', b'"x"'])
def test_what_a_notebook_wrote_like_a_gravestone_stops_no_sweep(store, record, rest):
    record.store.write(keys.MANIFEST, b'{"removed_manifest":' + rest)
    pin_at(record)
    assert remove_run(store, RUN_ID, "old").outcome in (Outcome.UNREADABLE, Outcome.PINNED)
    assert objects(store) >= {f"{PREFIX}/{name}" for name in FILES}


def test_a_pinned_run_stays_until_its_pin_is_taken_away(store, record):
    assert pin_of(record) is None
    pin_run(record, pin := Pin(by="ann", at="2026-11-26T12:00:00+00:00", why="the paper"))
    assert pin_of(record) == pin
    assert remove_run(store, RUN_ID, "old").outcome is Outcome.PINNED
    assert record.read() == a_manifest()
    unpin_run(record)
    unpin_run(record)
    assert remove_run(store, RUN_ID, "old").outcome is Outcome.REMOVED


def test_a_pin_that_is_garbled_pins(store, record):
    record.store.write(keys.PIN, b"{")
    assert pin_of(record) == Pin()
    assert remove_run(store, RUN_ID, "old").outcome is Outcome.PINNED


def test_a_run_without_a_record_cannot_be_pinned(store):
    with pytest.raises(InvalidRequest, match="no such run"):
        pin_run(record_of(store, RUN_ID), Pin())
    assert objects(store) == set()


def test_a_run_that_is_begun_anew_in_this_moment_stays(store, record, monkeypatch):
    def somebody_is_faster(*arguments, **named):
        raise ObjectChanged("somebody else has written it")

    monkeypatch.setattr(Store, "replace", somebody_is_faster)
    assert remove_run(store, RUN_ID, "old").outcome is Outcome.CHANGED
    assert objects(store) == {f"{PREFIX}/{name}" for name in (*FILES, keys.MANIFEST)}


def test_a_run_that_is_pinned_in_this_moment_is_put_back(store, record, monkeypatch):
    bury = Store.replace

    def bury_and_pin(self, *arguments):
        bury(self, *arguments)
        monkeypatch.setattr(Store, "replace", bury)
        with pytest.raises(InvalidRequest, match="no such run"):
            pin_run(record, Pin())
        self.write(keys.PIN, b"{}")  # as one does that has not looked yet

    monkeypatch.setattr(Store, "replace", bury_and_pin)
    assert remove_run(store, RUN_ID, "old").outcome is Outcome.PINNED
    assert record.read() == a_manifest()
    assert objects(store) == {f"{PREFIX}/{name}" for name in (*FILES, keys.MANIFEST, keys.PIN)}


def test_a_new_attempt_that_begins_while_the_files_go_keeps_its_record(store, record, monkeypatch):
    clear = Store.delete_all

    def clear_and_run_again(self, found):
        clear(self, found)
        record.write(a_manifest(state=State.QUEUED, sealed=False))

    monkeypatch.setattr(Store, "delete_all", clear_and_run_again)
    remove_run(store, RUN_ID, "old")
    assert record.read().state is State.QUEUED
    assert objects(store) == {f"{PREFIX}/{keys.MANIFEST}"}


def killed_at(monkeypatch, step: int) -> None:
    """Has this process dead from its `step`th change of the bucket on."""
    made: list[str] = []

    def mortal(really):
        def change(self, *arguments, **named):
            made.append(really.__name__)
            if len(made) >= step:
                raise Killed
            return really(self, *arguments, **named)

        return change

    def one_by_one(self, found):
        for key in found:
            self.delete(key)

    for change in (Store.write, Store.replace, Store.delete):
        monkeypatch.setattr(Store, change.__name__, mortal(change))
    monkeypatch.setattr(Store, "delete_all", one_by_one)


@pytest.mark.parametrize("step", range(1, 9))
@pytest.mark.parametrize("then", ["again", "pinned"])
def test_whoever_is_killed_leaves_a_whole_run_or_none(store, record, step, then):
    everything = objects(store)
    with pytest.MonkeyPatch.context() as patch:
        killed_at(patch, step)
        with pytest.raises(Killed):
            remove_run(store, RUN_ID, "old")
    found = record.read()
    if found is not None:
        assert found == a_manifest()
        assert objects(store) >= everything
    if step > 1:
        assert f"{PREFIX}/{keys.REMOVAL}" in objects(store), "so that any later sweep finds it"
    if then == "pinned":
        record.store.write(keys.PIN, b"{}")
        assert remove_run(store, RUN_ID, "again").outcome is Outcome.PINNED
        assert f"{PREFIX}/{keys.REMOVAL}" not in objects(store)
        return
    assert remove_run(store, RUN_ID, "again").outcome is Outcome.REMOVED
    assert objects(store) == set()


@pytest.fixture
def proxy(s3_environment, monkeypatch):
    monkeypatch.setattr(network, "RETRY_SECONDS", 0.6)
    with FaultProxy(s3_environment["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_bucket_that_fails_in_the_middle_is_told_and_gone_on_with(s3_environment, proxy, method):
    bucket = open_store(f"s3://{BUCKET}/removal-{method}", {**s3_environment, "AWS_ENDPOINT_URL": proxy.url})
    record = record_of(bucket, RUN_ID)
    record.write(a_manifest())
    for name, content in FILES.items():
        record.store.write(name, content)
    planned = proxy.plan(answering(503, "SlowDown"), times=None, method=method)
    with pytest.raises(StoreFailed):
        remove_run(bucket, RUN_ID, "old")
    assert planned.met
    planned.over = True
    assert record.read() in (None, a_manifest())
    proxy.plan(losing_the_answer, times=1, method=method)
    assert remove_run(bucket, RUN_ID, "old").outcome is Outcome.REMOVED
    assert objects(bucket) == set()


def test_a_thousand_files_go_in_few_requests(s3_environment, proxy):
    bucket = open_store(f"s3://{BUCKET}/many", {**s3_environment, "AWS_ENDPOINT_URL": proxy.url})
    names = [f"outputs/part-{number:04}" for number in range(120)]
    for name in names:
        bucket.write(name, b"x")
    before = len(proxy.exchanges)
    bucket.delete_all([*names, "outputs/never-was"])
    assert len(proxy.exchanges) - before == 1
    assert list(bucket.objects()) == []


def test_whatever_lies_in_a_pins_place_pins(record):
    record.store.write("pin.json", b'{"by": "' + b"x" * 100_000 + b'"}')
    assert pin_of(record) == Pin()
