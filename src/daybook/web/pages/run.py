"""A run's page and the files that it links to."""

from __future__ import annotations

from pathlib import PurePosixPath

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from daybook.web import headers
from daybook.web.runs import INLINE_IMAGES, OpenRun
from daybook.web.site import Here

router = APIRouter()

_REFRESH_SECONDS = 3
"""How often the page of a run that is not through is loaded anew; whoever reads or tabs through it can pause that."""


@router.get("/runs/{workspace}/{run_id}")
def page(site: Here, run: OpenRun, refresh: str = "on") -> Response:
    """The run as it is now."""
    return site.page(
        "run.html",
        m=run.manifest,
        airflow_url=site.world.airflow_url(run.manifest),
        inline=INLINE_IMAGES,
        refresh_seconds=None if run.manifest.sealed or refresh == "off" else _REFRESH_SECONDS,
    )


@router.get("/runs/{workspace}/{run_id}/manifest.json")
def manifest(run: OpenRun) -> Response:
    """The record itself."""
    return Response(run.manifest.to_json(), media_type="application/json", headers=headers.FILE)


@router.get("/runs/{workspace}/{run_id}/notebook")
def notebook(run: OpenRun) -> Response:
    """The executed notebook, rendered: somebody's code, in an origin of its own."""
    return run.show(run.manifest.files.html, "text/html", headers.NOTEBOOK, "rendered notebook")


@router.get("/runs/{workspace}/{run_id}/notebook.ipynb")
def notebook_file(run: OpenRun) -> Response:
    """The executed notebook."""
    return run.download_notebook()


@router.get("/runs/{workspace}/{run_id}/log")
def log(run: OpenRun) -> Response:
    """The runner's log."""
    return run.show(run.manifest.files.log, "text/plain", headers.FILE, "log")


@router.get("/runs/{workspace}/{run_id}/outputs/{path:path}")
def output(run: OpenRun, path: str) -> Response:
    """One output."""
    found = next((each for each in run.manifest.outputs if each.path == path), None)
    if found is None:
        raise HTTPException(404, f"run {run.manifest.run_id} has no output {path!r}")
    return run.download(found.key, found.media_type, PurePosixPath(path).name)


@router.get("/runs/{workspace}/{run_id}/side/{name}")
def side_file(run: OpenRun, name: str) -> Response:
    """Output of a cell that was too large for the notebook."""
    found = next((each for each in run.manifest.side_files if PurePosixPath(each.key).name == name), None)
    if found is None:
        raise HTTPException(404, f"run {run.manifest.run_id} has no side file {name!r}")
    return run.download(found.key, found.media_type, name)
