"""Ending a run through Airflow, and waiting until its record says how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable

from daybook.cli.airflow_api import AirflowApi
from daybook.cli.finding import Found
from daybook.contract import keys
from daybook.contract.errors import InfrastructureFailed, InvalidRequest
from daybook.contract.manifest import Manifest
from daybook.contract.request import AirflowCoordinates
from daybook.storage import RunRecord

_LOOK_SECONDS = 0.3
_WATCHED_SECONDS = 10.0
"""How long a run that is to be ended may wait for a triggerer to see it; at work one looks each second."""


def cancel_run(api: AirflowApi, found: Found, wait_seconds: float, say: Callable[[str], None]) -> Manifest:
    """Ends a run.

    Args:
        wait_seconds: how long to wait for the sealed record; 0 does not wait.

    Returns:
        The record; sealed, unless nothing was waited for.

    Raises:
        InvalidRequest: the run is over, or was not started by Airflow.
        InfrastructureFailed: Airflow does not answer, or the run did not end in time.
    """
    manifest = found.manifest
    where = manifest.airflow
    if where is None:
        raise InvalidRequest(f"run {manifest.run_id} was not started by Airflow; end the process that runs it")
    if _over(api, manifest, where):
        raise InvalidRequest(f"run {manifest.run_id} is over: it {manifest.state}; there is nothing to cancel")
    wait_until_watched(api, where)
    if where.task_id == keys.AIRFLOW_TASK and where.map_index < 0:
        api.fail(where.dag_id, where.run_id)
    else:  # one of several tasks of somebody's own DAG: the others are not ours to end
        api.fail_task(where.dag_id, where.run_id, where.task_id, where.map_index)
    say(f"asked Airflow to end {manifest.run_id}")
    return sealed(found.record, manifest.run_id, wait_seconds) if wait_seconds else manifest


def wait_until_watched(api: AirflowApi, where: AirflowCoordinates) -> None:
    """Gives a triggerer the moment it takes to see a run that has just begun to wait: its end is told to that alone.

    Where no triggerer is at work the run may be ended all the same, and the sweeper ends its pod.

    Raises:
        InvalidRequest: Airflow has no such run any more.
        InfrastructureFailed: it does not answer.
    """
    until = time.monotonic() + _WATCHED_SECONDS
    while not api.is_watched(where.dag_id, where.run_id) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)


def _over(api: AirflowApi, manifest: Manifest, where: AirflowCoordinates) -> bool:
    """Whether nothing of it is to come: sealed, and Airflow will not try it again."""
    return manifest.sealed and (manifest.succeeded or api.dag_run(where.dag_id, where.run_id).finished)


def sealed(record: RunRecord, run_id: str, wait_seconds: float) -> Manifest:
    """The record, once it is sealed.

    Raises:
        InfrastructureFailed: it was not in time.
    """
    until = time.monotonic() + wait_seconds
    while True:
        manifest = record.read()
        if manifest is not None and manifest.sealed:
            return manifest
        if time.monotonic() > until:
            raise InfrastructureFailed(
                f"Airflow was asked to end run {run_id}, but its record is not sealed after "
                f"{wait_seconds:.0f} s; `daybook show` tells when it is"
            )
        time.sleep(_LOOK_SECONDS)
