"""Who watches over a server: ready when it answers, over when nobody uses it, failed when it answers no more."""

import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from daybook.contract.errors import ExitCode
from daybook.spark.asking import NoAnswer
from daybook.spark.supervisor import MISSED_ANSWERS, Patience, Supervisor

LIVES = "import time; time.sleep(600)"


class Asked:
    """Answers as it is told, in turn; the last answer again and again."""

    def __init__(self, *answers, then=lambda: None):
        self.answers = list(answers)
        self.then = then
        self.computed = []

    def ask(self, seconds, *, computed=False):
        self.computed.append(computed)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise NoAnswer("UNAVAILABLE: nobody listens")
        self.then()


@pytest.fixture
def watch(tmp_path):
    """Has a process watched over; gives the end, the process, what was said and the mark of readiness."""
    started = []

    def watched(
        asked,
        *,
        code=LIVES,
        used=lambda: False,
        start=60.0,
        idle=0.0,
        meanwhile=lambda _: None,
        since_sent=lambda: None,
    ):
        process = subprocess.Popen([sys.executable, "-c", code])
        started.append(process)
        said, mark = [], tmp_path / "ready"
        patience = Patience(start=start, idle=idle, ask=0.01, answer=1.0)
        supervisor = Supervisor(process, asked, used, mark, patience, said.append, since_sent)
        meanwhile(supervisor)
        return supervisor.run(), process, said, mark

    yield watched
    for process in started:
        process.kill()
        process.wait()


def test_an_idle_server_is_ended_as_one_that_is_over(watch):
    ended, process, said, mark = watch(Asked(True), idle=0.05)
    assert ended is ExitCode.SUCCEEDED
    assert process.poll() is not None
    assert "answers" in said[0]
    assert "nobody has used it for" in said[-1]
    assert not mark.exists()


def test_a_server_that_is_used_goes_on(watch):
    uses = iter([True] * 20)
    ended, _, _, _ = watch(Asked(True), used=lambda: next(uses, False), idle=0.02)
    assert ended is ExitCode.SUCCEEDED
    assert next(uses, None) is None


def test_no_run_is_sent_to_a_server_that_is_about_to_end(watch, tmp_path):
    seen = []
    watch(Asked(True), since_sent=lambda: seen.append((tmp_path / "ready").exists()))
    assert seen == [False]


@pytest.fixture
def timed(watch, tmp_path, monkeypatch):
    """An idle server (after 3 s) at each of whose looks a second has passed; gives whether the mark was there then."""

    def timed(since_sent, used=lambda: False):
        clock, marks = [0.0], []
        monkeypatch.setattr("daybook.spark.supervisor.time", SimpleNamespace(monotonic=lambda: clock[0]))

        def is_used():
            clock[0] += 1.0
            marks.append((tmp_path / "ready").exists())
            return used()

        ended, _, said, _ = watch(Asked(True), idle=3.0, used=is_used, since_sent=since_sent)
        assert ended is ExitCode.SUCCEEDED
        assert "nobody has used it" in said[-1]
        return marks

    return timed


def test_a_server_that_a_run_was_just_sent_to_goes_on_and_takes_others_again(timed):
    """Its client comes once its pod has started."""
    # Idle after 4; at 5 it hears of the run that was sent at 4, and is idle again after 8.
    assert timed(lambda: 1.0) == [*[True] * 5, False, *[True] * 3, False]


def test_a_server_that_runs_are_sent_to_and_nobody_comes_to_ends_all_the_same(timed):
    """As where its Secret is gone, so that no run's pod starts."""
    asked = []
    timed(lambda: asked.append(None) or 0.0)
    assert len(asked) == 1


def test_one_that_somebody_came_to_hears_of_the_next_run(timed):
    asked, used = [], iter([*[False] * 7, True])
    timed(lambda: asked.append(None) or 0.0, lambda: next(used, False))
    assert len(asked) == 2


def test_the_mark_is_there_only_after_an_answer(watch, tmp_path):
    seen = []

    def used():
        seen.append((tmp_path / "ready").exists())
        return len(seen) < 3

    watch(Asked(False, False, True), used=used)
    assert all(seen[:3])


def test_a_server_that_never_answers_fails_with_its_last_words(watch):
    ended, process, said, mark = watch(Asked(False), start=0.3)
    assert ended is ExitCode.INFRASTRUCTURE_FAILED
    assert process.poll() is not None
    assert said == ["The Spark server failed: it gave no answer within 0 s: UNAVAILABLE: nobody listens"]
    assert not mark.exists()


def test_a_server_whose_java_dies_fails_at_once(watch):
    ended, _, said, _ = watch(Asked(False), code="raise SystemExit(7)")
    assert ended is ExitCode.INFRASTRUCTURE_FAILED
    assert "exit code 7" in said[-1]


def test_a_killed_java_is_named_by_its_signal(watch):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    _, _, said, _ = watch(Asked(False), code=code)
    assert "SIGKILL" in said[-1]


def test_a_server_that_answers_no_more_is_ended_as_failed(watch):
    ended, process, said, _ = watch(Asked(True, False), used=lambda: True)
    assert ended is ExitCode.INFRASTRUCTURE_FAILED
    assert process.poll() is not None
    assert f"has not answered {MISSED_ANSWERS} queries in a row" in said[-1]


def test_one_missed_answer_leaves_the_mark_and_a_second_takes_it_away_until_the_next(watch, tmp_path):
    seen = []

    def used():
        seen.append((tmp_path / "ready").exists())
        return len(seen) < 7

    ended, _, _, _ = watch(Asked(True, True, False, True, False, False, True), used=used)
    assert ended is ExitCode.SUCCEEDED
    assert seen[:7] == [True, True, True, True, True, False, True], "each time as the answer before has left it"


def test_only_a_server_that_starts_has_to_compute_its_answer(watch):
    uses = iter([True] * 3)
    asked = Asked(False, True)
    watch(asked, used=lambda: next(uses, False))
    assert asked.computed[:2] == [True, True]
    assert len(asked.computed) > 2
    assert not any(asked.computed[2:])


def test_told_to_end_it_ends_java_and_is_over(watch):
    def later(supervisor):
        threading.Timer(0.2, supervisor.end).start()

    ended, process, said, _ = watch(Asked(True), used=lambda: True, meanwhile=later)
    assert ended is ExitCode.SUCCEEDED
    assert process.poll() is not None
    assert said[-1].endswith("it was told to end")
