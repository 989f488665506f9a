"""The files that a run's page links to, of its newest attempt and of earlier ones."""

from __future__ import annotations

from pathlib import PurePosixPath

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from daybook.web import headers
from daybook.web.runs import OpenAttempt, OpenRun, Run
from daybook.web.site import Here

router = APIRouter()

SIGNED_FROM_BYTES = 1_000_000
"""What is smaller is here sooner than a link to it."""


@router.get("/runs/{workspace}/{run_id}/manifest.json")
def manifest(run: OpenRun) -> Response:
    """The record itself."""
    return _manifest(run)


@router.get("/runs/{workspace}/{run_id}/notebook")
def notebook(run: OpenRun) -> Response:
    """The executed notebook, rendered: somebody's code, in an origin of its own."""
    return _notebook(run)


@router.get("/runs/{workspace}/{run_id}/notebook.ipynb")
def notebook_file(run: OpenRun) -> Response:
    """The executed notebook."""
    return run.download_notebook()


@router.get("/runs/{workspace}/{run_id}/log")
def log(run: OpenRun) -> Response:
    """The runner's log."""
    return _log(run)


@router.get("/runs/{workspace}/{run_id}/attempts/{attempt}/manifest.json")
def manifest_of_attempt(run: OpenAttempt) -> Response:
    """The last record of an attempt."""
    return _manifest(run)


@router.get("/runs/{workspace}/{run_id}/attempts/{attempt}/notebook")
def notebook_of_attempt(run: OpenAttempt) -> Response:
    """An attempt's executed notebook, rendered."""
    return _notebook(run)


@router.get("/runs/{workspace}/{run_id}/attempts/{attempt}/notebook.ipynb")
def notebook_file_of_attempt(run: OpenAttempt) -> Response:
    """An attempt's executed notebook."""
    return run.download_notebook()


@router.get("/runs/{workspace}/{run_id}/attempts/{attempt}/log")
def log_of_attempt(run: OpenAttempt) -> Response:
    """An attempt's log."""
    return _log(run)


@router.get("/runs/{workspace}/{run_id}/outputs/{path:path}")
def output(site: Here, run: OpenRun, path: str) -> Response:
    """One output."""
    found = next((each for each in run.manifest.outputs if each.path == path), None)
    if found is None:
        raise HTTPException(404, f"run {run.manifest.run_id} has no output {path!r}")
    signed = site.world.settings.downloads == "signed" and found.size >= SIGNED_FROM_BYTES
    return run.download(found.key, found.media_type, PurePosixPath(path).name, signed)


@router.get("/runs/{workspace}/{run_id}/side/{name}")
def side_file(run: OpenRun, name: str) -> Response:
    """Output of a cell that was too large for the notebook."""
    found = next((each for each in run.manifest.side_files if PurePosixPath(each.key).name == name), None)
    if found is None:
        raise HTTPException(404, f"run {run.manifest.run_id} has no side file {name!r}")
    return run.download(found.key, found.media_type, name)


def _manifest(run: Run) -> Response:
    return Response(run.manifest.to_json(), media_type="application/json", headers=headers.FILE)


def _notebook(run: Run) -> Response:
    return run.show(run.manifest.files.html, "text/html", headers.NOTEBOOK, "rendered notebook")


def _log(run: Run) -> Response:
    return run.show(run.manifest.files.log, "text/plain", headers.FILE, "log")
