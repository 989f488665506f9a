"""Whether somebody cancelled a run whose task Airflow ends, or whether only the task's process is ended.

Airflow 3.3.2 ends a task's process by SIGTERM whatever the reason, and so calls `on_kill`: somebody failed the task, or
cleared it (its supervisor learns that from the answer to a heartbeat); the worker itself is ended (the supervisor hands
the signal on); no heartbeat came through; the task is out of time. Only what somebody did stands in Airflow's records
by then, as the task's state. So whoever is ended asks for that; where nobody answers, nobody is said to have cancelled.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowRuntimeError

from daybook.contract.manifest import Reason, State
from daybook.pods import Ending

CANCELLED = Ending(State.INTERRUPTED, Reason.CANCELLED, "the run was cancelled before its notebook was through")

ENDED = Ending(
    State.INTERRUPTED,
    Reason.TERMINATED,
    "Airflow ended the run's task before its notebook was through; nobody is known to have cancelled it",
)

DEFERRED = "deferred"

ANSWER_SECONDS = 2.0
"""How long an answer is waited for: Airflow kills a process 5 s after SIGTERM, and the record is to be sealed first."""

_BY_SOMEBODY = frozenset({"failed", "success", "restarting"})
"""States that somebody gave a task at work. The scheduler gives `failed` too, when a last try misses its heartbeats."""

log = logging.getLogger(__name__)


class Question:
    """Asks why the task in this process is ended, while its pod or its runner is being ended.

    It asks in a thread: a signal handler may have interrupted another request to the supervisor, which then never ends
    as long as the handler waits.
    """

    def __init__(self) -> None:
        self._state: str | None = None
        self._thread = threading.Thread(target=self._ask, args=(_task_instance(),), daemon=True)
        self._thread.start()

    def ending(self) -> Ending:
        """What to seal the run with, where its runner does not."""
        self._thread.join(ANSWER_SECONDS)
        return ending_by(self._state)

    def _ask(self, task_instance: Any) -> None:
        self._state = state_of(task_instance)


def ending_by(state: str | None) -> Ending:
    """What a run whose task is ended while it has this state in Airflow's records is sealed with."""
    return CANCELLED if state in _BY_SOMEBODY else ENDED


def is_cancelled() -> bool:
    """Whether somebody has ended the task in this process, although it was not told so yet."""
    return ending_by(state_of(_task_instance())) is CANCELLED


def state_of(task_instance: Any) -> str | None:
    """A task instance's state in Airflow's records; None where it has none, or where nobody can tell.

    Args:
        task_instance: Airflow's; None where it is not known.
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance  # who runs a task or a trigger has it loaded

    if task_instance is None:
        return None
    dag_id, run_id, task_id = task_instance.dag_id, task_instance.run_id, task_instance.task_id
    index = -1 if task_instance.map_index is None else task_instance.map_index
    try:
        states = RuntimeTaskInstance.get_task_states(dag_id, map_index=index, task_ids=[task_id], run_ids=[run_id])
    except (AirflowRuntimeError, OSError, EOFError) as error:
        log.warning("Airflow does not tell what became of task %s of DAG run %s: %s", task_id, run_id, error)
        return None
    state = states.get(run_id, {}).get(task_id if index < 0 else f"{task_id}_{index}")
    return None if state is None else str(getattr(state, "value", state))


def _task_instance() -> Any:
    """The one that runs in this process; None outside of a task."""
    try:
        return get_current_context()["ti"]
    except RuntimeError:
        return None
