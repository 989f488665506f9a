"""Records of runs: found in order, and never overwritten by an attempt whose time is over."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from builders import ASKED_AT, RUN_ID, a_manifest, a_run_id
from daybook.contract import keys
from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import Manifest, Reason, State
from daybook.storage import (
    ObjectChanged,
    RunRecord,
    StaleAttempt,
    UnreadableManifest,
    Verdict,
    open_store,
    record_of,
    records,
    run_ids,
)


@pytest.fixture
def record(store):
    return record_of(store, RUN_ID)


def running(attempt=1, **changes):
    return a_manifest(attempt=attempt, state=State.RUNNING, sealed=False, sealed_by=None, exit_code=None, **changes)


def test_a_run_without_a_manifest_has_none(record):
    assert record.read() is None


def test_a_manifest_is_read_as_it_was_written(record, store):
    record.write(a_manifest())
    assert record.read() == a_manifest()
    assert Manifest.from_json(store.read(f"{keys.run_prefix(RUN_ID)}/manifest.json")) == a_manifest()


def test_the_record_of_what_is_no_run_id_is_refused(store):
    with pytest.raises(ValueError, match="not a run id"):
        record_of(store, "../secrets")


def test_an_attempt_rewrites_its_record_until_it_seals_it(record):
    for manifest in (running(), running(message="half way"), a_manifest()):
        record.write(manifest)
        assert record.read() == manifest
    with pytest.raises(StaleAttempt, match="attempt 1 is sealed already"):
        record.write(running())
    assert record.read() == a_manifest()


def test_sealing_again_with_the_same_words_is_fine(record):
    """The answer to the first try may have been lost on its way."""
    record.write(a_manifest())
    record.write(a_manifest())
    with pytest.raises(StaleAttempt):
        record.write(a_manifest(message="others"))


@pytest.mark.parametrize("newer", [running(2), a_manifest(attempt=2)], ids=["running", "sealed"])
@pytest.mark.parametrize("older", [running(1), a_manifest(attempt=1)], ids=["running", "sealed"])
def test_an_older_attempt_never_overwrites_a_newer_one(record, older, newer):
    record.write(older)
    record.write(newer)
    with pytest.raises(StaleAttempt, match="attempt 2 has taken over; attempt 1 is stale") as caught:
        record.write(running(1, message="late"))
    assert not caught.value.retry_helps
    assert record.read() == newer


def test_the_fence_holds_when_attempts_write_at_the_same_moment(open_bucket):
    """Whoever comes first, the newest attempt's word stands at the end."""
    attempts = 4
    together = Barrier(attempts)

    def write(attempt):
        record = record_of(open_bucket(), RUN_ID)
        together.wait()
        try:
            record.write(running(attempt))
        except StaleAttempt:
            return "stale"
        return "written"

    for _ in range(3):
        with ThreadPoolExecutor(attempts) as pool:
            outcomes = list(pool.map(write, range(1, attempts + 1)))
        assert outcomes[-1] == "written"
        assert record_of(open_bucket(), RUN_ID).read() == running(attempts)


class Contested:
    """A store on which somebody else always writes first."""

    url = "memory://"

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def replace(self, *_):
        raise ObjectChanged("somebody else")


def test_a_record_that_others_keep_writing_is_given_up(store):
    with pytest.raises(StoreFailed, match="others keep writing it") as caught:
        RunRecord(Contested(store)).write(running())
    assert caught.value.retry_helps


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"[]", "should be an object"),
        (b"{}", "run_id: Field required"),
        (a_manifest().to_json().replace('"schema_version": 1', '"schema_version": 2').encode(), "schema_version"),
        (a_manifest().to_json().replace('"workspace"', '"werkspace"').encode(), "workspace: Field required"),
    ],
)
def test_what_is_no_manifest_is_named_in_one_line_and_left_alone(content, told):
    record = record_of(open_store("memory:///"), RUN_ID)
    record.store.write(keys.MANIFEST, content)
    for use in (record.read, lambda: record.write(a_manifest(attempt=2))):
        with pytest.raises(UnreadableManifest, match=told) as caught:
            use()
        assert str(caught.value).startswith(f"memory:///{keys.run_prefix(RUN_ID)}/manifest.json is not a manifest")
        assert "\n" not in str(caught.value)
        assert not caught.value.retry_helps
    assert record.store.read(keys.MANIFEST) == content


def test_the_pod_that_was_noted_stays_whatever_the_runner_writes():
    record = record_of(open_store("memory:///"), RUN_ID)
    record.write(running(1))
    record.note_pod(1, "uid-1")
    record.note_pod(1, "forged later")
    record.write(running(1))
    assert record.read().pod_uid == "uid-1"
    record.write(a_manifest())
    assert record.read().pod_uid == "uid-1"
    record.write(running(2))
    assert (record.read().pod_uid, record.earlier(1).pod_uid, record.earlier(2)) == (None, "uid-1", None)


def test_no_pod_is_noted_of_an_attempt_that_was_given_up_or_overtaken():
    record = record_of(open_store("memory:///"), RUN_ID)
    record.write(running(1))
    record.seal(1, Verdict(State.INTERRUPTED, Reason.CANCELLED, "cancelled", "operator"))
    with pytest.raises(StaleAttempt, match=r"given up as interrupted \(cancelled\)"):
        record.note_pod(1, "uid-1")
    record.write(running(2))
    with pytest.raises(StaleAttempt, match="attempt 2 has taken over"):
        record.note_pod(1, "uid-1")
    record.write(a_manifest(attempt=2))
    record.note_pod(2, "uid-2")  # its runner was faster
    assert record.read().pod_uid is None


def test_run_ids_come_newest_first_over_days_months_and_years(store):
    moments = [ASKED_AT + timedelta(days=days, seconds=days) for days in (0, -1, -30, -400, 1, 9, 40)]
    moments += [ASKED_AT + timedelta(seconds=1), ASKED_AT - timedelta(seconds=1)]
    ids = [a_run_id("n", moment) for moment in moments]
    for run in ids:
        store.write(f"{keys.run_prefix(run)}/{keys.MANIFEST}", b"never read")
    assert list(run_ids(store)) == sorted(ids, reverse=True)


def test_what_is_no_run_is_not_listed(store):
    for key in ("runs/2026/11/23/notes/x", "runs/readme", "runs/2026/x/y/z", "other/2026/11/23/n/x"):
        store.write(key, b"")
    store.write(f"{keys.run_prefix(RUN_ID)}/log.txt", b"")
    assert list(run_ids(store)) == [RUN_ID]


def test_an_empty_bucket_has_no_runs(store):
    assert list(run_ids(store)) == []


def test_what_is_larger_than_any_record_is_none_and_is_not_read(record, monkeypatch):
    record.write(a_manifest())
    record.store.write("attempts/1/manifest.json", b"x" * 11)
    monkeypatch.setattr(records, "MAX_MANIFEST_BYTES", 10)
    for read in (record.read, lambda: record.read_newer(None), lambda: record.earlier(1)):
        with pytest.raises(UnreadableManifest, match="no more than 10 are read"):
            read()
