"""The assets that runs emit events for."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, AssetAlias

from daybook.catalogue import Notebook

RUNS_ALIAS = "daybook-runs"
"""Alias for runs whose notebook is known only when the task runs."""


def notebook_asset(notebook: str) -> Asset:
    """The asset that stands for the newest result of a notebook; schedules and DAGs can wait for it."""
    return Asset(name=f"daybook/{notebook}", uri=f"x-daybook://notebooks/{notebook}", group="daybook")


def outlet_of(notebook: Any) -> Asset | AssetAlias:
    """What a task declares that runs a notebook: its asset, or an alias where the id is known only when it runs.

    Args:
        notebook: an id, which may be a template or another task's XCom, or a catalogue's entry.
    """
    if isinstance(notebook, Notebook):
        return notebook_asset(notebook.id)
    if not isinstance(notebook, str) or "{{" in notebook or "{%" in notebook:
        return AssetAlias(RUNS_ALIAS)
    return notebook_asset(notebook)
