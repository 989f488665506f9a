"""The FastAPI app: pages and files of runs, for members of their workspace only.

No `from __future__ import annotations` here: FastAPI reads the annotations of the functions inside the factory, and as
strings their closures cannot be resolved.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.exceptions import HTTPException as HttpError

from daybook.contract import keys
from daybook.contract.errors import InvalidRequest, InvalidSettings, StoreFailed
from daybook.contract.manifest import Manifest
from daybook.storage import ObjectMissing, RunRecord, journal, record_of
from daybook.web import headers
from daybook.web.words import bytes_for_people, duration_for_people, value_for_people, when_for_people
from daybook.web.world import NotLoggedIn, World
from daybook.workspaces import Identity, may_see

_INLINE_IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_REFRESH_SECONDS = 3
"""How often the page of a run that is not through is loaded anew; whoever reads or tabs through it can pause that."""

_RETRY_AFTER_SECONDS = "10"
_LOG = logging.getLogger(__name__)


def create_app(world: World) -> FastAPI:
    """The app to be mounted; everything outside it comes through `world`."""
    app = FastAPI(title="Daybook", docs_url=None, redoc_url=None, openapi_url=None)
    pages = _templates()
    _handle_errors(app, world)

    async def user_of(request: Request) -> Identity:
        return await world.user(request)

    # Not `async`: it reads from the bucket, and must not hold up the event loop that all of Airflow's API runs on.
    def run_of(user: Annotated[Identity, Depends(user_of)], workspace: str, run_id: str) -> "Run":
        return _open_run(world, user, workspace, run_id)

    OpenRun = Annotated[Run, Depends(run_of)]

    @app.get("/runs/{workspace}/{run_id}")
    def page(run: OpenRun, refresh: str = "on") -> Response:
        context = {
            "m": run.manifest,
            "airflow_url": world.airflow_url(run.manifest),
            "inline": _INLINE_IMAGES,
            "refresh_seconds": None if run.manifest.sealed or refresh == "off" else _REFRESH_SECONDS,
        }
        return HTMLResponse(pages.get_template("run.html").render(context), headers=headers.PAGE)

    @app.get("/runs/{workspace}/{run_id}/manifest.json")
    def manifest(run: OpenRun) -> Response:
        return Response(run.manifest.to_json(), media_type="application/json", headers=headers.FILE)

    @app.get("/runs/{workspace}/{run_id}/notebook")
    def notebook(run: OpenRun) -> Response:
        return run.show(run.manifest.files.html, "text/html", headers.NOTEBOOK, "rendered notebook")

    @app.get("/runs/{workspace}/{run_id}/notebook.ipynb")
    def notebook_file(run: OpenRun) -> Response:
        return run.download_notebook()

    @app.get("/runs/{workspace}/{run_id}/log")
    def log(run: OpenRun) -> Response:
        return run.show(run.manifest.files.log, "text/plain", headers.FILE, "log")

    @app.get("/runs/{workspace}/{run_id}/outputs/{path:path}")
    def output(run: OpenRun, path: str) -> Response:
        found = next((each for each in run.manifest.outputs if each.path == path), None)
        if found is None:
            raise HTTPException(404, f"run {run.manifest.run_id} has no output {path!r}")
        return run.download(found.key, found.media_type, PurePosixPath(path).name)

    @app.get("/runs/{workspace}/{run_id}/side/{name}")
    def side_file(run: OpenRun, name: str) -> Response:
        found = next((each for each in run.manifest.side_files if PurePosixPath(each.key).name == name), None)
        if found is None:
            raise HTTPException(404, f"run {run.manifest.run_id} has no side file {name!r}")
        return run.download(found.key, found.media_type, name)

    return app


class Run:
    """A run that the asking user may see."""

    def __init__(self, record: RunRecord, manifest: Manifest) -> None:
        self._record = record
        self.manifest = manifest

    def show(self, key: str | None, media_type: str, marks: Mapping[str, str], what: str) -> Response:
        """A file of the run, streamed, to be looked at in the browser."""
        return StreamingResponse(self._stream(key, what), media_type=media_type, headers=dict(marks))

    def download(self, key: str | None, media_type: str, name: str) -> Response:
        """A file of the run, streamed; images are shown, everything else is saved."""
        shown = media_type in _INLINE_IMAGES
        disposition = f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(name, safe='')}"
        return StreamingResponse(
            self._stream(key, name),
            media_type=media_type if shown else "application/octet-stream",
            headers={**headers.FILE, "Content-Disposition": disposition},
        )

    def download_notebook(self) -> Response:
        """The executed notebook; of a run that goes on, as of its last flush."""
        name = f"{self.manifest.notebook.id}.ipynb"
        if self.manifest.sealed or self.manifest.files.notebook is None:
            return self.download(self.manifest.files.notebook, "application/x-ipynb+json", name)
        found = journal.current(self._record.store, keys.AttemptKeys(self.manifest.attempt))
        if found is None:
            raise HTTPException(404, f"the run has no {name} yet")
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        marks = {**headers.FILE, "Content-Disposition": disposition}
        return Response(json.dumps(found), media_type="application/octet-stream", headers=marks)

    def _stream(self, key: str | None, what: str) -> Iterator[bytes]:
        if key is None:
            raise HTTPException(404, f"the run has no {what} yet")
        return self._record.store.stream(key)


def _open_run(world: World, user: Identity, workspace_name: str, run_id: str) -> Run:
    try:
        workspace = world.workspaces().get(workspace_name)
    except InvalidRequest as error:
        # Not the error's own text: it names the workspaces there are, which is nobody's business here.
        raise HTTPException(404, f"there is no workspace {workspace_name!r}") from error
    if not may_see(user, workspace):
        raise HTTPException(403, f"you are not a member of workspace {workspace_name!r}; ask its owner")
    if not keys.is_run_id(run_id):
        raise HTTPException(404, f"{run_id!r} is not a run id")
    record = record_of(world.bucket(workspace), run_id)
    manifest = record.read()
    # A manifest that names another run is none of this one; its name would lead the page's links astray.
    if manifest is None or manifest.run_id != run_id:
        raise HTTPException(404, f"workspace {workspace_name!r} has no run {run_id!r}")
    return Run(record, manifest)


def _handle_errors(app: FastAPI, world: World) -> None:
    @app.exception_handler(NotLoggedIn)
    async def log_in(request: Request, error: NotLoggedIn) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(world.login_url(str(request.url)), status_code=302, headers=headers.FILE)
        return _told(401, f"not logged in: {error}", {"WWW-Authenticate": "Bearer"})

    # Starlette's own class: an unknown path or method is answered like everything else.
    @app.exception_handler(HttpError)
    async def refused(_: Request, error: HttpError) -> Response:
        return _told(error.status_code, error.detail, error.headers)

    @app.exception_handler(ObjectMissing)
    async def missing(_: Request, error: ObjectMissing) -> Response:
        return _told(404, error)

    @app.exception_handler(StoreFailed)
    async def store_failed(_: Request, error: StoreFailed) -> Response:
        return _told(503, error, {"Retry-After": _RETRY_AFTER_SECONDS} if error.retry_helps else None)

    @app.exception_handler(InvalidSettings)
    async def badly_set_up(_: Request, error: InvalidSettings) -> Response:
        # What is wrong names files of this machine: that is for its operator, and not for whoever looks at a run.
        _LOG.error("%s", error)
        return _told(500, "Daybook is not set up as it must be; its operator finds the reason in Airflow's log")


def _told(status: int, text: object, more: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{text}\n", status, headers={**headers.FILE, **(more or {})})


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("daybook.web"), undefined=StrictUndefined, autoescape=select_autoescape(default=True)
    )
    filters: dict[str, Callable[[Any], str]] = {
        "value": value_for_people,
        "bytes": bytes_for_people,
        "duration": duration_for_people,
        "when": when_for_people,
        "path": lambda path: quote(path, safe="/"),
    }
    environment.filters.update(filters)
    return environment
