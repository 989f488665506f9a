"""What the Airflow plugin mounts. Imports nothing heavy: all Airflow processes load it, only the API server uses it."""

from __future__ import annotations

import os
from typing import Any

from daybook.on_airflow.admission import Admission, App, Decision, Receive, Scope, Send
from daybook.on_airflow.bare_path import BarePath
from daybook.on_airflow.one_writer import OneWriter, records_in_sqlite

URL_PREFIX = "/notebooks"

AIRFLOW = "daybook.airflow"
"""Where a request's scope holds Airflow's own app, around ours."""


class LazyApp:
    """The pages' ASGI app, built when the first request comes."""

    def __init__(self) -> None:
        self._app: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on to the app."""
        if self._app is None:
            from daybook.on_airflow.pages import create_pages

            self._app = create_pages(os.environ)
        await self._app({**scope, AIRFLOW: scope.get("app")}, receive, send)


def fastapi_apps() -> list[dict[str, Any]]:
    """For `AirflowPlugin.fastapi_apps`."""
    return [{"app": LazyApp(), "url_prefix": URL_PREFIX, "name": "Daybook"}]


def external_views() -> list[dict[str, Any]]:
    """For `AirflowPlugin.external_views`: an entry in the menu, and a tab on DAGs, DAG runs and task instances."""
    # Airflow's pages name their root in <base>: an address without a slash in front of it holds below any path.
    here = URL_PREFIX.removeprefix("/")
    dag = f"{here}/airflow/{{DAG_ID}}"
    run = f"{dag}/{{RUN_ID}}"
    icon = {"icon": f"{here}/static/icon.svg"}
    return [
        {"name": "Daybook", "destination": "nav", "href": f"{here}/", "url_route": "daybook", **icon},
        {"name": "Run form", "destination": "dag", "href": dag, "url_route": "run-form", **icon},
        {"name": "Notebook", "destination": "dag_run", "href": run, "url_route": "notebook-run", **icon},
        {
            "name": "Notebook",
            "destination": "task_instance",
            "href": f"{run}?task_id={{TASK_ID}}&map_index={{MAP_INDEX}}",
            "url_route": "notebook-task",
            **icon,
        },
    ]


def fastapi_root_middlewares() -> list[dict[str, Any]]:
    """For `AirflowPlugin.fastapi_root_middlewares`."""
    # The last one stands outermost: what admission refuses never waits for its turn to write.
    return [
        {"middleware": BarePath, "kwargs": {"prefix": URL_PREFIX}, "name": "Daybook: catalogue"},
        {"middleware": OneWriter, "kwargs": {"is_needed": records_in_sqlite}, "name": "Daybook: one writer"},
        {"middleware": Admission, "kwargs": {"decide": _decide}, "name": "Daybook admission"},
    ]


async def _decide(dag_id: str, conf: dict[str, Any] | None, scope: Scope) -> Decision:
    from daybook.on_airflow.pages import decide_on_trigger

    return await decide_on_trigger(dag_id, conf, scope, os.environ)
