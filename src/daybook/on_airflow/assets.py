"""The assets that runs emit events for."""

from __future__ import annotations

from airflow.sdk import Asset

RUNS_ALIAS = "daybook-runs"
"""Alias for runs whose notebook is known only when the task runs."""


def notebook_asset(notebook: str) -> Asset:
    """The asset that stands for the newest result of a notebook; schedules and DAGs can wait for it."""
    return Asset(name=f"daybook/{notebook}", uri=f"x-daybook://notebooks/{notebook}", group="daybook")
