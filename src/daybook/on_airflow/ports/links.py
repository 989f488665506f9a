"""Links from the pages into Airflow."""

from __future__ import annotations

from urllib.parse import quote

from daybook.contract.manifest import Manifest


def airflow_url(public_url: str, manifest: Manifest) -> str | None:
    """The page of a run's task in Airflow, as its record tells; None for a run that Airflow did not start."""
    here = manifest.airflow
    if here is None:
        return None
    task = (
        f"/tasks/{_part(here.task_id)}"
        if here.map_index < 0
        else f"/tasks/{_part(here.task_id)}/mapped/{here.map_index}"
    )
    return f"{public_url}/dags/{_part(here.dag_id)}/runs/{_part(here.run_id)}{task}"


def _part(name: str) -> str:
    """One part of a path, whatever a notebook wrote into its record: a link must not lead elsewhere in Airflow."""
    return quote(name, safe="")
