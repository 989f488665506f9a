"""A bucket that fails for a while is tried again, within one budget."""

import pytest

from daybook.contract.errors import ExitCode, StoreFailed
from daybook.runner.patience import LONGEST_PAUSE_SECONDS, PATIENCE_SECONDS, Patience
from daybook.storage import StaleAttempt, Store


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


def patience(clock, said=None, seconds=PATIENCE_SECONDS):
    return Patience(seconds, (said if said is not None else []).append, clock, clock.sleep)


def test_what_fails_at_first_is_tried_again_after_longer_and_longer_pauses():
    clock, said, task = Clock(), [], Failing(3)
    patience(clock, said).run(task)
    assert task.tries == 4
    assert clock.pauses == [0.5, 1.0, 2.0]
    assert said == ["the bucket failed, trying again for up to 60 s: down"]


def test_it_gives_up_within_its_budget_which_all_share():
    clock = Clock()
    shared = patience(clock)
    with pytest.raises(StoreFailed, match="down"):
        shared.run(Failing(1000))
    assert PATIENCE_SECONDS - LONGEST_PAUSE_SECONDS <= sum(clock.pauses) <= PATIENCE_SECONDS
    spent = clock.now
    clock.now = 100.0 + PATIENCE_SECONDS
    with pytest.raises(StoreFailed):
        shared.run(another := Failing(1))
    assert another.tries == 1
    assert spent <= clock.now


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

    monkeypatch.setattr(Store, "write", failing(write))
    monkeypatch.setattr(Store, "replace", failing(replace))
    ended = run("from daybook.notebook import outputs\nprint(outputs('a.txt').write_text('kept'))", patience=20.0)
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert ended.manifest.succeeded
    assert {"log.txt", "manifest.json", "notebook.html", "outputs/a.txt"} <= {k for k, n in tried.items() if n > 1}
    assert all((ended.folder / key).exists() for key in tried)
    assert list(ended.scratch.iterdir()) == []
