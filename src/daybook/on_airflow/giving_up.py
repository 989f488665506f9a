"""What Airflow calls when it gives a task up: no pod is left behind, and the record says how the run ended.

In a worker, after a task has failed, there is mostly nothing left to do. A task whose worker died (its heartbeat
stopped) or whose state somebody changed while nobody watched is given up by the scheduler, and the DAG processor
calls this, as long as Kubernetes and the bucket can be reached from there. Where it was not called, or failed, the
sweeper does the same later.
"""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger(__name__)


def end_given_up(context: Any) -> None:
    """Airflow's `on_failure_callback` of Daybook's tasks, and of the DAGs that Daybook makes, which have one task.

    Raises:
        DaybookError: bucket or Kubernetes do not answer; Airflow logs it.
    """
    task = context.get("task")
    give_up = getattr(task, "give_up", None)
    if give_up is None:
        log.warning("Nobody knows which task of DAG run %s failed; the sweeper will see", context.get("run_id"))
        return
    give_up(context)
