"""Asking Airflow for a run of a notebook that may have come into the catalogue a moment ago."""

from __future__ import annotations

import time
from collections.abc import Callable

from daybook.cli.airflow_api import AirflowApi, DagRun
from daybook.cli.asking import Request

NEW_DAG_SECONDS = 60.0
"""How long a new notebook's DAG is waited for: Airflow sees it in half a minute, twice that when it is busy."""
_LOOK_SECONDS = 0.5


def trigger(api: AirflowApi, request: Request, say: Callable[[str], None]) -> DagRun:
    """Asks for the run, once Airflow has the notebook's DAG.

    Raises:
        InvalidRequest: Airflow refuses it, or has no such DAG after `NEW_DAG_SECONDS`.
        InfrastructureFailed: Airflow does not answer as it must.
    """
    dag_id = request.notebook.id
    until = time.monotonic() + NEW_DAG_SECONDS
    waiting = False
    while not api.has_dag(dag_id) and time.monotonic() < until:
        if not waiting:
            say("waiting for Airflow to see the new notebook")
            waiting = True
        time.sleep(_LOOK_SECONDS)
    return api.trigger(dag_id, request.conf)
