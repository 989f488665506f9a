"""The ways from Airflow's own pages to ours, for the tabs that show them there.

From a DAG to the form, from a DAG run or a task to the run's page. They change nothing, and tell nobody of
what they may not see.
"""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from daybook.contract import keys
from daybook.contract.errors import InvalidRequest
from daybook.contract.keys import RUN_NOTEBOOK_DAG
from daybook.web import headers
from daybook.web.asking import visible_notebook
from daybook.web.site import Here, Site, User
from daybook.web.world import Place, RunName

router = APIRouter(prefix="/airflow", include_in_schema=False)


@router.get("/{dag_id}")
def form(site: Here, user: User, dag_id: str) -> Response:
    """The form of the notebook that a DAG runs; the catalogue for the DAG that runs any."""
    if dag_id == RUN_NOTEBOOK_DAG:
        return _lead(site, "/")
    try:
        notebook = visible_notebook(site, user, dag_id)
    except InvalidRequest:
        return site.page("in_airflow.html", 404, user=user.user, of="dag", runs=())
    return _lead(site, f"/run/{quote(notebook.id, safe='')}")


@router.get("/{dag_id}/{dag_run_id:path}")
def run(
    site: Here, user: User, dag_id: str, dag_run_id: str, task_id: str | None = None, map_index: str = ""
) -> Response:
    """The page of the run that a DAG run or a task of it stands for; a choice where there are several.

    Airflow's pages leave `{MAP_INDEX}` as it is where there is none: what is no number says nothing.
    """
    is_mapped = map_index.isascii() and map_index.isdigit() and len(map_index) < 10
    place = Place(dag_id, dag_run_id, task_id, int(map_index) if is_mapped else None)
    seen = {each.name for each in site.workspaces_of(user)}
    # Tasks write what these names are read from: none leads anywhere but to a run's page, and only to one of theirs.
    runs = [each for each in site.world.runs_at(place) if each.workspace in seen and keys.is_run_id(each.run_id)]
    if len(runs) == 1:
        return _lead(site, _page(runs[0]))
    shown = [(each, site.world.settings.mount + _page(each)) for each in runs]
    return site.page("in_airflow.html", 200 if runs else 404, user=user.user, of="run", runs=shown)


def _page(run: RunName) -> str:
    return f"/runs/{quote(run.workspace, safe='')}/{quote(run.run_id, safe='')}"


def _lead(site: Site, path: str) -> Response:
    return RedirectResponse(f"{site.world.settings.mount}{path}", 303, headers=headers.PAGE)
