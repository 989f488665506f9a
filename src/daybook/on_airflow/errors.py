"""Daybook's errors as Airflow's, typed by the reason of the manifest; what a retry cannot help must not be retried.

docs/failures.md has the table for the one on call; a test holds it to this one.
"""

from __future__ import annotations

from collections.abc import Collection

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from daybook.catalogue import Notebook
from daybook.contract.errors import DaybookError
from daybook.contract.manifest import Manifest, Reason, State
from daybook.storage import StaleAttempt

WORTH_A_RETRY = frozenset(
    {
        Reason.STORE_FAILED,
        Reason.KERNEL_UNAVAILABLE,
        Reason.INTERNAL_ERROR,
        Reason.CLUSTER_UNAVAILABLE,
        Reason.TERMINATED,
        Reason.IMAGE_UNAVAILABLE,
        Reason.UNSCHEDULABLE,
        Reason.CANNOT_START,
        Reason.EVICTED,
        Reason.NODE_LOST,
        Reason.POD_GONE,
        Reason.POD_FAILED,
        Reason.NEVER_SEALED,
    }
)
"""The world around the notebook failed, and may do better next time."""

NOTEBOOKS_OWN = frozenset(
    {
        Reason.CELL_ERROR,
        Reason.CELL_TIMEOUT,
        Reason.RUN_TIMEOUT,
        Reason.DEADLINE_EXCEEDED,
        Reason.EARLY_EXIT,
        Reason.KERNEL_DIED,
        Reason.CONTEXT_LOST,
    }
)
"""The same notebook with the same parameters will most likely fail again; retried only where its entry asks for it."""


class RunFailed(AirflowException):
    """A run did not succeed; Airflow tries it again if the task has retries left.

    Attributes:
        manifest: the sealed record.
        reason: why; what callbacks may go by.
    """

    def __init__(self, manifest: Manifest) -> None:
        super().__init__(describe(manifest))
        self.manifest = manifest
        self.reason = manifest.reason


class RunFailedForGood(RunFailed, AirflowFailException):
    """A run did not succeed, and another attempt would not help: Airflow makes none."""


def as_airflow(error: DaybookError, *, ended: bool = False) -> AirflowException:
    """The exception for a task that Daybook could not even start or could not read the record of.

    Args:
        error: what happened.
        ended: whether Airflow has ended the task meanwhile. What finds its attempt given up then finds its own end, and
            another try helps; where somebody cancelled it, Airflow makes none.
    """
    helps = error.retry_helps or (ended and isinstance(error, StaleAttempt))
    kind = AirflowException if helps else AirflowFailException
    return kind(str(error))


def also_retried(notebook: Notebook, *, more_memory: bool) -> list[Reason]:
    """The reasons that are retried for this notebook besides those that always are.

    Args:
        notebook: the entry, which may ask for it.
        more_memory: whether the next attempt would get more memory than this one.
    """
    wanted = set(NOTEBOOKS_OWN) if notebook.run.retry_notebook_errors else set()
    if more_memory and notebook.run.retry_with_more_memory:
        wanted.add(Reason.OUT_OF_MEMORY)
    return sorted(wanted)


def failure_of(manifest: Manifest, also: Collection[str] = ()) -> RunFailed:
    """The exception for a run that did not succeed, in one clear message.

    Args:
        manifest: the sealed one.
        also: reasons that this notebook's entry wants retried.
    """
    worth_a_retry = manifest.state is State.LOST or manifest.reason in WORTH_A_RETRY or manifest.reason in also
    return RunFailed(manifest) if worth_a_retry else RunFailedForGood(manifest)


def describe(manifest: Manifest) -> str:
    """State, reason and place of a run that did not succeed, as the one on call reads it."""
    head = f"run {manifest.run_id} {manifest.state}"
    parts = [f"{head} ({manifest.reason})" if manifest.reason else head]
    if manifest.message:
        parts.append(manifest.message)
    error = manifest.error
    if error is not None and error.cell is not None and error.name not in (manifest.message or ""):
        parts.append(f"cell {error.cell}: {error.name}: {error.value}")
    return ": ".join(parts)
