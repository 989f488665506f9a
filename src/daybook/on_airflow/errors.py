"""Daybook's errors as Airflow's: what a retry cannot help must not be retried."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from daybook.contract.errors import DaybookError
from daybook.contract.manifest import Manifest, Reason, State

_WORTH_A_RETRY = {
    Reason.STORE_FAILED,
    Reason.KERNEL_UNAVAILABLE,
    Reason.IMAGE_UNAVAILABLE,
    Reason.UNSCHEDULABLE,
    Reason.EVICTED,
    Reason.POD_GONE,
    Reason.POD_FAILED,
    Reason.NEVER_SEALED,
    Reason.INTERNAL_ERROR,
}


def as_airflow(error: DaybookError) -> AirflowException:
    """The exception for a task that Daybook could not even start or could not read the record of."""
    kind = AirflowException if error.retry_helps else AirflowFailException
    return kind(str(error))


def failure_of(manifest: Manifest) -> AirflowException:
    """The exception for a run that did not succeed, in one clear message."""
    worth_a_retry = manifest.state is State.LOST or manifest.reason in _WORTH_A_RETRY
    kind = AirflowException if worth_a_retry else AirflowFailException
    return kind(describe(manifest))


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
