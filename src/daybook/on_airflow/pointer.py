"""What a task leaves for the tasks after it: a small pointer to the run, as XCom and as the asset event's content."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from airflow.sdk import Asset, AssetAlias

from daybook.contract import keys
from daybook.contract.manifest import Manifest
from daybook.on_airflow.assets import RUNS_ALIAS, notebook_asset
from daybook.on_airflow.reference import RunReference
from daybook.storage import Store

MAX_RESULTS_BYTES = 16 * 1024
"""Results larger than this stay in the manifest only; XCom lives in Airflow's database."""


def pointer_to(run: RunReference, manifest: Manifest, store: Store) -> dict[str, Any]:
    """The pointer to a run.

    Args:
        run: which run that is; what its manifest says of that, a notebook may have written.
        manifest: the run's.
        store: rooted at the run's prefix.
    """
    results = manifest.model_dump(mode="json", include={"results"})["results"]
    fits = len(json.dumps(results).encode()) <= MAX_RESULTS_BYTES
    return {
        "run_id": run.run_id,
        "workspace": run.workspace,
        "manifest": store.url_of(keys.MANIFEST),
        "state": str(manifest.state),
        "results": results if fits else {},
        **({} if fits else {"results_in_manifest_only": True}),
    }


def emit(events: Any, outlets: Iterable[Any], notebook: str, pointer: dict[str, Any]) -> None:
    """Gives the notebook's asset event the pointer as its content.

    Args:
        events: Airflow's `outlet_events`.
        outlets: the task's.
        notebook: the notebook's id.
        pointer: what the event tells.
    """
    for outlet in outlets:
        if isinstance(outlet, AssetAlias) and outlet.name == RUNS_ALIAS:
            events[outlet].add(notebook_asset(notebook), extra=pointer)
        elif isinstance(outlet, Asset) and outlet == notebook_asset(notebook):
            events[outlet].extra.update(pointer)
