"""Which runs go: the rules alone."""

from datetime import UTC, datetime, timedelta

import pytest

from builders import a_run_id
from daybook.retention.deciding import beyond
from daybook.retention.listing import RunInfo
from daybook.workspaces import Retention

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def a_run(days: float, size: int = 10, identity: str = "one", **changes) -> RunInfo:
    """A run that was asked for so many days ago."""
    asked = NOW - timedelta(days=days)
    given = {"changed": asked, "manifest_changed": asked, **changes}
    return RunInfo(a_run_id("nb", asked, identity), size, **given)


@pytest.mark.parametrize(
    ("rules", "ages_and_sizes", "gone"),
    [
        ({}, [(1000, 10), (0, 10)], []),
        ({"days": 30}, [(31, 10), (30, 10), (29, 10)], [31]),
        ({"days": 0.5}, [(1, 10), (0.4, 10)], [1]),
        ({"days": 30}, [(-2, 10)], []),
        ({"runs": 2}, [(3, 10), (2, 10), (1, 10)], [3]),
        ({"runs": 2}, [(2, 10), (1, 10)], []),
        ({"runs": 1}, [(1, 10), (-2, 10)], [1]),
        ({"size": "20"}, [(3, 10), (2, 10), (1, 10)], [3]),
        ({"size": "19"}, [(3, 10), (2, 10), (1, 10)], [3, 2]),
        ({"size": "1Ki"}, [(2, 1), (1, 1024)], [2]),
        ({"size": "5"}, [(1, 10)], [1]),
        ({"size": "15"}, [(3, 1), (2, 10), (1, 10)], [3, 2]),
        ({"days": 10, "runs": 2, "size": "1k"}, [(11, 1), (3, 1), (2, 1), (1, 1)], [11, 3]),
    ],
)
def test_a_run_goes_that_is_beyond_any_rule(rules, ages_and_sizes, gone):
    runs = [a_run(age, size) for age, size in ages_and_sizes]
    found = [each.run.asked_at for each in beyond(runs, Retention(**rules), NOW)]
    assert found == [NOW - timedelta(days=age) for age in gone], "oldest first"


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"days": 1.5}, "older than 1.5 days"),
        ({"runs": 1}, "beyond the newest 1 runs"),
        ({"size": "15"}, "it and the newer ones take more than 15"),
    ],
)
def test_each_rule_says_why(rules, why):
    assert [each.why for each in beyond([a_run(2), a_run(1)], Retention(**rules), NOW)] == [why]


def test_pinned_runs_stay_and_do_not_count():
    runs = [a_run(3, pinned=True), a_run(2), a_run(1, size=1000, pinned=True), a_run(0)]
    assert beyond(runs, Retention(runs=2, size="20"), NOW) == []
    assert beyond(runs, Retention(days=2.5), NOW) == []


def test_runs_of_one_second_have_an_order_so_that_each_sweep_chooses_alike():
    runs = [a_run(1, identity=name) for name in ("a", "b", "c")]
    for order in (runs, runs[::-1]):
        assert [each.run.run_id for each in beyond(order, Retention(runs=2), NOW)] == [min(r.run_id for r in runs)]


def test_a_folder_without_a_manifest_may_be_one_that_is_being_queued():
    fresh = a_run(40, manifest_changed=None, changed=NOW - timedelta(hours=23))
    stale = a_run(41, manifest_changed=None, changed=NOW - timedelta(hours=25))
    assert [each.run for each in beyond([fresh, stale], Retention(days=30), NOW)] == [stale]


def test_what_was_begun_is_finished_whatever_the_rules_are_by_now():
    [going] = beyond([a_run(1, removing=True)], Retention(), NOW)
    assert "earlier sweep" in going.why
