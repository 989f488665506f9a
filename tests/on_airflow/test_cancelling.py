"""A task that is ended is told apart from one that somebody cancelled, by what Airflow says of its state."""

import threading

import pytest

from daybook.contract.manifest import Reason
from daybook.on_airflow import cancelling
from daybook.on_airflow.cancelling import Question, state_of


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("failed", Reason.CANCELLED),
        ("success", Reason.CANCELLED),
        ("restarting", Reason.CANCELLED),
        ("running", Reason.TERMINATED),
        ("up_for_retry", Reason.TERMINATED),
        ("queued", Reason.TERMINATED),
        ("skipped", Reason.TERMINATED),
        (None, Reason.TERMINATED),
    ],
)
def test_only_a_state_that_somebody_gave_is_a_cancel(airflow_says, state, reason):
    airflow_says(state)
    assert Question().ending().reason is reason


def test_a_mapped_task_asks_for_its_own_state(airflow_says):
    airflow_says("failed", map_index=3)
    assert Question().ending().reason is Reason.CANCELLED


@pytest.mark.parametrize("error", [BrokenPipeError("the supervisor is gone"), EOFError("closed")])
def test_where_nobody_answers_nobody_has_cancelled(airflow_says, caplog, error):
    def breaks():
        raise error

    airflow_says(breaks)
    assert Question().ending().reason is Reason.TERMINATED
    assert str(error) in caplog.text


def test_a_task_instance_that_is_gone_has_no_state(airflow_says):
    assert state_of(airflow_says(dict)) is None


def test_an_answer_that_does_not_come_is_not_waited_for(airflow_says, monkeypatch):
    """As where SIGTERM came in the middle of another request to the supervisor, which has to end first."""
    monkeypatch.setattr(cancelling, "ANSWER_SECONDS", 0.01)
    request_ends = threading.Event()

    def waits():
        request_ends.wait()
        return {}

    airflow_says(waits)
    question = Question()
    assert question.ending().reason is Reason.TERMINATED
    request_ends.set()
    question._thread.join()


def test_outside_of_a_task_nobody_is_asked():
    assert Question().ending().reason is Reason.TERMINATED
