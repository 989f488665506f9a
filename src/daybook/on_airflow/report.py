"""What a task tells Airflow of its run, wherever that was executed: the pointer in its XCom, the event of its asset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Asset, AssetAlias

from daybook.catalogue import Notebook
from daybook.contract import keys
from daybook.contract.manifest import Manifest
from daybook.on_airflow.assets import RUNS_ALIAS, notebook_asset
from daybook.storage import Store

MAX_RESULTS_BYTES = 16 * 1024
"""Results larger than this stay in the manifest only; XCom lives in Airflow's database."""


def pointer_to(manifest: Manifest, store: Store) -> dict[str, Any]:
    """The task's XCom.

    Args:
        manifest: sealed.
        store: rooted at the run's prefix.
    """
    results = manifest.model_dump(mode="json", include={"results"})["results"]
    fits = len(json.dumps(results).encode()) <= MAX_RESULTS_BYTES
    return {
        "run_id": manifest.run_id,
        "workspace": manifest.workspace,
        "manifest": store.url_of(keys.MANIFEST),
        "state": str(manifest.state),
        "results": results if fits else {},
        **({} if fits else {"results_in_manifest_only": True}),
    }


def outlet_of(notebook: Any) -> Asset | AssetAlias:
    """The notebook's asset; where the id is known only when the task runs, an alias that gets it then."""
    if isinstance(notebook, Notebook):
        return notebook_asset(notebook.id)
    if not isinstance(notebook, str) or "{{" in notebook or "{%" in notebook:
        return AssetAlias(RUNS_ALIAS)
    return notebook_asset(notebook)


def emit(context: Mapping[str, Any], outlets: Sequence[Any], notebook: str, pointer: Mapping[str, Any]) -> None:
    """Has Airflow note an event of the notebook's asset, with the pointer, once the task has succeeded."""
    events = context["outlet_events"]
    for outlet in outlets:
        if isinstance(outlet, AssetAlias) and outlet.name == RUNS_ALIAS:
            events[outlet].add(notebook_asset(notebook), extra=dict(pointer))
        elif isinstance(outlet, Asset) and outlet == notebook_asset(notebook):
            events[outlet].extra.update(pointer)
