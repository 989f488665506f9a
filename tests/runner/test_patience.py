"""A bucket that fails for a while is tried again, within one budget."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from daybook.contract.errors import ExitCode, StoreFailed
from daybook.runner.patience import (
    INTERRUPTED_PATIENCE_SECONDS,
    LONGEST_LATE_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PATIENCE_SECONDS,
    Patience,
)
from daybook.storage import StaleAttempt, Store, network

GRACE_SECONDS = 60
"""Between the signal that asks a pod to end and the one that kills it."""


class Clock:
    """A clock that only sleeping moves on."""

    def __init__(self):
        self.now = 100.0
        self.pauses = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


class Failing:
    """Fails some times, then works."""

    def __init__(self, times, error=None):
        self.times, self.error, self.tries = times, error or StoreFailed("down"), 0

    def __call__(self):
        self.tries += 1
        if self.tries <= self.times:
            raise self.error
        return "done"


def patience(clock, said=None, seconds=PATIENCE_SECONDS, chance=lambda: 1.0):
    return Patience(seconds, (said if said is not None else []).append, clock, clock.sleep, chance)


def test_what_fails_at_first_is_tried_again_after_longer_and_longer_pauses():
    clock, said, task = Clock(), [], Failing(3)
    assert patience(clock, said).run(task) == "done"
    assert task.tries == 4
    assert clock.pauses == [0.5, 1.0, 2.0]
    assert said == ["trying again for up to 150 s: down"]


@pytest.mark.parametrize("chance", [0.0, 0.3, 0.999])
def test_a_pause_is_never_longer_than_planned_nor_much_shorter(chance):
    clock = Clock()
    patience(clock, chance=lambda: chance).run(Failing(7))
    for pause, planned in zip(clock.pauses, [0.5, 1, 2, 4, 8, 8, 8], strict=True):
        assert planned / 2 <= pause <= planned
    assert max(clock.pauses) <= LONGEST_PAUSE_SECONDS


def test_runs_do_not_come_back_at_the_same_moment():
    one, other = Clock(), Clock()
    for clock in (one, other):
        Patience(PATIENCE_SECONDS, print, clock, clock.sleep).run(Failing(3))
    assert one.pauses != other.pauses


def test_it_gives_up_when_its_budget_is_spent_which_all_share():
    clock = Clock()
    shared = patience(clock)
    with pytest.raises(StoreFailed, match="down"):
        shared.run(Failing(1000))
    assert sum(clock.pauses) == PATIENCE_SECONDS
    with pytest.raises(StoreFailed):
        shared.run(another := Failing(1))
    assert another.tries == 1


class Away:
    """A bucket that is away for some seconds, and takes its time to say so."""

    def __init__(self, clock, begins, seconds, takes=0.0):
        self.clock, self.begins, self.ends, self.takes = clock, begins, begins + seconds, takes

    def __call__(self):
        called, self.clock.now = self.clock.now, self.clock.now + self.takes
        if self.begins <= called < self.ends:
            raise StoreFailed("away")


@pytest.mark.parametrize("takes", [0.0, network.RETRY_SECONDS, network.RETRY_SECONDS + network.SILENCE_SECONDS])
def test_a_bucket_that_is_away_for_a_minute_at_a_runs_end_loses_nothing(takes):
    clock = Clock()
    shared = patience(clock)
    away = Away(clock, clock.now, 60, takes)
    for _ in range(6):  # uploads, log and seal
        shared.run(away)
    assert clock.now >= 160.0


def test_only_the_time_in_which_the_bucket_fails_is_counted():
    clock = Clock()
    shared = patience(clock)
    shared.run(Failing(2))
    clock.now += 3600  # a long upload
    shared.run(Away(clock, clock.now, 60))
    clock.now += 3600
    with pytest.raises(StoreFailed):
        shared.run(Away(clock, clock.now, PATIENCE_SECONDS - 60))


def test_an_interrupted_run_gives_up_before_its_pod_is_killed():
    clock = Clock()
    with pytest.raises(StoreFailed):
        patience(clock, seconds=INTERRUPTED_PATIENCE_SECONDS).run(Away(clock, 0, 1e9, network.RETRY_SECONDS))
    took = clock.now - 100.0
    assert INTERRUPTED_PATIENCE_SECONDS < took < GRACE_SECONDS - 10


def test_a_bucket_that_is_away_for_long_is_asked_less_often_and_told_of_now_and_then():
    clock, said = Clock(), []
    patience(clock, said, seconds=3600).run(Away(clock, clock.now, 3500))
    late = [pause for pause in clock.pauses if pause > LONGEST_PAUSE_SECONDS]
    assert sum(clock.pauses[: -len(late)]) >= PATIENCE_SECONDS
    assert late[2:] == [LONGEST_LATE_PAUSE_SECONDS] * len(late[2:])
    assert len(said) == 12
    assert said[0] == "trying again for up to 3600 s: away"
    assert said[1].startswith("trying again for up to 32")


def test_a_signal_that_comes_while_a_bucket_is_away_leaves_the_time_before_the_pod_is_killed():
    clock, said = Clock(), []
    waits = Patience(3600, said.append, clock, clock.sleep, lambda: 1.0, lambda: clock.now >= 1100)
    with pytest.raises(StoreFailed):
        waits.run(Away(clock, 0, 1e9))
    assert 1100 + INTERRUPTED_PATIENCE_SECONDS <= clock.now <= 1100 + LONGEST_LATE_PAUSE_SECONDS + GRACE_SECONDS - 10
    assert said[-1] == "trying again for up to 35 s: away"
    assert clock.pauses[-2] <= LONGEST_PAUSE_SECONDS


def test_many_threads_draw_on_one_budget():
    shared = Patience(0.2, print, sleep=lambda seconds: time.sleep(min(seconds, 0.01)))
    tasks = [Failing(10**9) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        ended = [pool.submit(shared.run, task) for task in tasks]
    assert all(isinstance(each.exception(), StoreFailed) for each in ended)
    assert all(task.tries > 1 for task in tasks)


@pytest.mark.parametrize(("seconds", "error"), [(60.0, StaleAttempt("stale")), (0.0, StoreFailed("down"))])
def test_it_does_not_wait_where_that_cannot_help(seconds, error):
    clock = Clock()
    with pytest.raises(type(error)):
        patience(clock, seconds=seconds).run(Failing(1, error))
    assert clock.pauses == []


def test_a_run_loses_nothing_to_a_bucket_that_fails_for_a_moment(run, monkeypatch):
    tried = {}
    write, replace = Store.write, Store.replace

    def failing(verb):
        def call(store, key, data, *rest):
            sealing = key == "manifest.json" and b'"sealed": true' in data
            if sealing or key != "manifest.json":
                tried[key] = tried.get(key, 0) + 1
                if tried[key] == 1:
                    raise StoreFailed(f"cannot write {key}: the bucket is away for a moment")
            return verb(store, key, data, *rest)

        return call

    monkeypatch.setattr(Store, "adopt", lambda *_: False)  # as with a bucket that is no folder
    monkeypatch.setattr(Store, "write", failing(write))
    monkeypatch.setattr(Store, "replace", failing(replace))
    ended = run("from daybook.notebook import outputs\nprint(outputs('a.txt').write_text('kept'))", patience=20.0)
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert ended.manifest.succeeded
    assert {"log.txt", "manifest.json", "notebook.html", "outputs/a.txt"} <= {k for k, n in tried.items() if n > 1}
    assert all((ended.folder / key).exists() for key in tried)
    assert list(ended.scratch.iterdir()) == []
