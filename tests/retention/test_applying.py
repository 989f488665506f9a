"""Retention on real buckets."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_manifest, a_run_id, a_workspace
from daybook.contract import keys
from daybook.contract.manifest import State
from daybook.retention.applying import apply_retention
from daybook.retention.listing import run_infos
from daybook.retention.report import Report
from daybook.storage import Pin, open_store, pin_run, record_of, remove_run
from daybook.workspaces import Retention

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def write(bucket, days: float, *, sealed=True, pinned=False, size=0, name="nb") -> str:
    """A run that was asked for so many days ago."""
    run = a_run_id(name, NOW - timedelta(days=days), str(days))
    state = State.SUCCEEDED if sealed else State.RUNNING
    record_of(bucket, run).write(a_manifest(run_id=run, sealed=sealed, state=state))
    if size:
        bucket.write(f"{keys.run_prefix(run)}/outputs/large", b"x" * size)
    if pinned:
        pin_run(record_of(bucket, run), Pin(by="ann"))
    return run


def applied(bucket, dry_run=False, **rules) -> Report:
    report = Report("local", dry_run)
    apply_retention(a_workspace(retention=Retention(**rules)), bucket, report, NOW)
    return report


def left(bucket) -> set[str]:
    return {each.run_id for each in run_infos(bucket)}


@pytest.fixture(params=["memory", "folder"])
def bucket(request, tmp_path):
    return open_store("memory:///" if request.param == "memory" else str(tmp_path / "bucket"))


def test_old_runs_go_and_pinned_open_and_young_ones_stay(bucket):
    old = write(bucket, 40, size=1000)
    stay = {write(bucket, 41, pinned=True), write(bucket, 42, sealed=False), write(bucket, 1)}
    told = applied(bucket, dry_run=True, days=30)
    assert left(bucket) == {old, *stay}
    done = applied(bucket, days=30)
    assert left(bucket) == stay
    assert (done.runs_removed, told.runs_removed) == (1, 1)
    assert done.bytes_freed == told.bytes_freed > 1000
    assert any(f"removed run {old}" in line and "older than 30 days" in line for line in done.lines)
    assert any(f"would remove run {old}" in line for line in told.lines)
    assert any("it is not sealed" in line for line in done.warnings)
    assert done.failures == []


def test_the_size_counts_all_that_lies_below_a_run(bucket):
    small, large, newest = write(bucket, 3), write(bucket, 2, size=50_000), write(bucket, 1)
    applied(bucket, size="40k")
    assert left(bucket) == {newest}, (small, large)


def test_without_rules_nothing_goes_but_what_was_begun(bucket):
    stays, begun = write(bucket, 400), write(bucket, 1)
    bucket.write(f"{keys.run_prefix(begun)}/{keys.REMOVAL}", b"{}")
    assert applied(bucket).runs_removed == 1
    assert left(bucket) == {stays}


def test_what_is_no_run_is_never_touched(bucket):
    others = {
        "runs/2020/01/01/notes.txt",
        "runs/2020/01/01/20200101T000000Z-nb-0123456789",  # an object, where a run would be a folder
        "runs/2020/01/02/20200101T000000Z-nb-0123456789/manifest.json",  # in a day that is not its own
        "runs/2020/13/41/20201341T000000Z-nb-0123456789/manifest.json",  # of a day that there is not
        "other/20200101T000000Z-nb-0123456789/manifest.json",
        "manifest.json",
    }
    for key in others:
        bucket.write(key, b"{}")
    write(bucket, 40)
    applied(bucket, days=1, runs=1, size="1")
    assert {each.key for each in bucket.objects()} == others


RUNS = st.lists(
    st.tuples(st.integers(0, 60), st.booleans(), st.booleans(), st.integers(0, 300)), min_size=1, max_size=12
)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "days": st.integers(1, 50),
        "runs": st.integers(1, 6),
        "size": st.integers(1, 5000).map(str),
    },
)


@given(RUNS, RULES, st.booleans())
def test_no_pinned_or_open_run_ever_goes_and_what_stays_is_within_the_rules(runs, rules, twice):
    bucket, number = open_store("memory:///"), count()
    written = [
        (write(bucket, days, sealed=sealed, pinned=pinned, size=size, name=f"nb-{next(number)}"), sealed, pinned)
        for days, sealed, pinned, size in runs
    ]
    for _ in range(1 + twice):
        applied(bucket, **rules)
    found = {each.run_id: each for each in run_infos(bucket)}
    assert {run for run, sealed, pinned in written if pinned or not sealed} <= set(found)
    sealed_ones = {run for run, sealed, pinned in written if sealed and not pinned} & set(found)
    for run in sealed_ones:
        assert (NOW - found[run].asked_at).days <= rules.get("days", 10**6)
        newer = [each for each in found.values() if not each.pinned and each.run_id >= run]
        assert len(newer) <= rules.get("runs", 10**6)
        assert sum(each.size for each in newer) <= int(rules.get("size", 10**9))
    if not rules:
        assert len(found) == len(written)


def test_one_run_that_cannot_be_removed_leaves_the_others_alone(bucket, monkeypatch):
    bad, good = write(bucket, 41), write(bucket, 40)
    from daybook.contract.errors import StoreFailed
    from daybook.retention import applying

    def fails_once(bucket, run, *arguments):
        if run == bad:
            raise StoreFailed("no luck with this one")
        return remove_run(bucket, run, *arguments)

    monkeypatch.setattr(applying, "remove_run", fails_once)
    report = applied(bucket, days=1)
    assert report.failures == ["no luck with this one"]
    assert left(bucket) == {bad}, good
