"""Counts each run in the Airflow pool of its workspace, so that no workspace has more runs at once than it may.

A task's pool is part of its DAG, and a run's workspace is chosen when it is asked for. So the pool is set where
Airflow makes the task instance, and each time it is cleared, by the hook that Airflow has for this. It needs a line in
`airflow_local_settings.py` of all Airflow processes:

    from daybook.on_airflow.policy import task_instance_mutation_hook

Airflow never schedules a task whose pool does not exist: the hook makes the pool with the task instance, in the same
transaction, and keeps its slots as `workspaces.yaml` says. Airflow forbids commits and savepoints here.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from daybook.contract import keys
from daybook.on_airflow.counted import is_counted

_LOG = logging.getLogger(__name__)


def task_instance_mutation_hook(task_instance: Any, dag_run: Any) -> None:
    """Airflow's hook: puts a notebook's task instance into its workspace's pool; others are left alone.

    Args:
        task_instance: about to be made or cleared.
        dag_run: its DAG run; None while it is not known yet, and then the hook is called once more.
    """
    task = getattr(task_instance, "task", None)
    if dag_run is None or task is None or not is_counted(task):
        return
    workspace = _workspace_of(task, dag_run)
    if workspace is None:
        return
    task_instance.pool = keys.pool_name(workspace.name)
    _keep_pool(dag_run, task_instance.pool, workspace.runs_at_once)


def is_in_force() -> bool:
    """Whether this Airflow process has the hook."""
    from airflow.settings import get_policy_plugin_manager

    hooks = get_policy_plugin_manager().hook.task_instance_mutation_hook.get_hookimpls()
    return any(each.function is task_instance_mutation_hook for each in hooks)


def _workspace_of(task: Any, dag_run: Any) -> Any:
    """The workspace that the operator will decide about; None where that cannot be told, or there is none such."""
    from daybook.on_airflow.settings import Settings

    try:
        settings = Settings.from_environment(os.environ)
        named = _named(task, dag_run.conf or {}) or _default(task, dag_run.conf or {}, settings)
        return settings.load_workspaces().get(named)
    except Exception as error:  # noqa: BLE001 - an edge of Airflow's scheduler: nothing of ours may end it
        # The operator meets the same fault and fails the task with it; in which pool that happens does not matter.
        _LOG.warning("task %s.%s is not counted in its workspace's pool: %s", task.dag_id, task.task_id, error)
        return None


def _named(task: Any, conf: dict[str, Any]) -> str | None:
    """The workspace that the DAG run or the task names."""
    by_task = _field(task, "parameters_from") in (None, "arguments")
    named = _field(task, "workspace") if by_task else conf.get("workspace")
    return str(named) if named else None


def _default(task: Any, conf: dict[str, Any], settings: Any) -> str | None:
    """The workspace of the notebook where nobody names one."""
    notebook = conf.get("notebook") if _field(task, "parameters_from") == "request" else _field(task, "notebook")
    found = settings.read_catalogue().notebooks.get(notebook)  # the scheduler waits for this, at each task instance
    return found.default_workspace if found else None


def _field(task: Any, name: str) -> Any:
    """An argument of the operator; of a mapped one, as it is the same for all of its instances."""
    return getattr(task, name, None) or getattr(task, "partial_kwargs", {}).get(name)


def _keep_pool(dag_run: Any, name: str, slots: int) -> None:
    """Makes the pool, or makes it as large as it should be, in the transaction that makes the task instance."""
    from airflow.models.pool import Pool
    from sqlalchemy import select, update
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return
    wanted = {"slots": slots, "include_deferred": True}
    with session.no_autoflush:
        found = session.execute(select(Pool.slots, Pool.include_deferred).where(Pool.pool == name)).one_or_none()
        if found is None:
            session.execute(_insert(session.get_bind().dialect.name, {"pool": name, **wanted}))
        elif tuple(found) != (slots, True):
            change = update(Pool).where(Pool.pool == name).values(**wanted)
            session.execute(change.execution_options(synchronize_session=False))


def _insert(dialect: str, row: dict[str, Any]) -> Any:
    """The insertion of a pool that another scheduler may be making at this moment: whoever is second does nothing."""
    from airflow.models.pool import Pool
    from sqlalchemy.dialects import mysql, postgresql, sqlite

    values = {**row, "description": "Runs of a Daybook workspace; workspaces.yaml says how many at once"}
    if dialect == "mysql":
        return mysql.insert(Pool).values(**values).prefix_with("IGNORE")
    return (postgresql if dialect == "postgresql" else sqlite).insert(Pool).values(**values).on_conflict_do_nothing()
