"""What an earlier try of a task has left: whether it stands, or a new attempt is wanted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from daybook.contract.manifest import Manifest, Reason
from daybook.on_airflow.errors import RunFailedForGood, failure_of


def is_cleared(earlier: Manifest, ti: Any, retries: int | None) -> bool:
    """Whether the task was cleared after this attempt: whoever clears wants a new one, and gets one.

    So does a task that finds a record which no earlier try of it can have left: a notebook has put it there.

    Clearing raises `max_tries` by what was tried; but not where the task runs: Airflow ends it then, which seals
    its attempt as cancelled, and tries again. Of a cancelled task that nobody cleared there is no next try.

    Args:
        earlier: the attempt's manifest.
        ti: the task's instance.
        retries: the task's own.
    """
    cleared_after = (getattr(ti, "max_tries", None) or 0) - (retries or 0)
    if earlier.airflow is None or not cleared_after < earlier.airflow.try_number < ti.try_number:
        return True
    return earlier.sealed and earlier.reason is Reason.CANCELLED


def is_for_good(earlier: Manifest, retried: Collection[str]) -> bool:
    """Whether an attempt has ended so that a try after it only repeats one that was killed before it could say so."""
    return earlier.sealed and (earlier.succeeded or isinstance(failure_of(earlier, retried), RunFailedForGood))
