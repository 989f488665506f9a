"""The FastAPI app: pages and files of runs, for members of their workspace only.

No `from __future__ import annotations` here: FastAPI reads the annotations of the functions inside the factory, and as
strings their closures cannot be resolved.
"""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from daybook.contract import keys
from daybook.contract.errors import InvalidRequest, StoreFailed
from daybook.contract.manifest import Manifest
from daybook.storage import ObjectMissing, RunRecord, record_of
from daybook.web import headers
from daybook.web.words import bytes_for_people, duration_for_people, when_for_people
from daybook.web.world import NotLoggedIn, World
from daybook.workspaces import may_see

_INLINE_IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp"}


def create_app(world: World) -> FastAPI:
    """The app to be mounted; everything outside it comes through `world`."""
    app = FastAPI(title="Daybook", docs_url=None, redoc_url=None, openapi_url=None)
    pages = _templates()
    _handle_errors(app, world)

    async def run_of(request: Request, workspace: str, run_id: str) -> "Run":
        return _open_run(world, await world.user(request), workspace, run_id)

    OpenRun = Annotated[Run, Depends(run_of)]

    @app.get("/runs/{workspace}/{run_id}")
    def page(run: OpenRun) -> Response:
        context = {"m": run.manifest, "airflow_url": world.airflow_url(run.manifest), "inline": _INLINE_IMAGES}
        return HTMLResponse(pages.get_template("run.html").render(context), headers=headers.PAGE)

    @app.get("/runs/{workspace}/{run_id}/manifest.json")
    def manifest(run: OpenRun) -> Response:
        return Response(run.manifest.to_json(), media_type="application/json", headers=headers.FILE)

    @app.get("/runs/{workspace}/{run_id}/notebook")
    def notebook(run: OpenRun) -> Response:
        html = run.read(run.manifest.files.html, "the executed notebook is not rendered yet")
        return HTMLResponse(html, headers=headers.NOTEBOOK)

    @app.get("/runs/{workspace}/{run_id}/notebook.ipynb")
    def notebook_file(run: OpenRun) -> Response:
        return run.download(
            run.manifest.files.notebook, "application/x-ipynb+json", f"{run.manifest.notebook.id}.ipynb"
        )

    @app.get("/runs/{workspace}/{run_id}/log")
    def log(run: OpenRun) -> Response:
        text = run.read(run.manifest.files.log, "the run has no log yet").decode("utf-8", "replace")
        return PlainTextResponse(text, headers=headers.FILE)

    @app.get("/runs/{workspace}/{run_id}/outputs/{path:path}")
    def output(run: OpenRun, path: str) -> Response:
        found = next((each for each in run.manifest.outputs if each.path == path), None)
        if found is None:
            raise HTTPException(404, f"run {run.manifest.run_id} has no output {path!r}")
        return run.download(found.key, found.media_type, Path(path).name)

    return app


class Run:
    """A run that the asking user may see."""

    def __init__(self, record: RunRecord, manifest: Manifest) -> None:
        self._record = record
        self.manifest = manifest

    def read(self, key: str | None, otherwise: str) -> bytes:
        """A file of the run that fits into memory."""
        if key is None:
            raise HTTPException(404, otherwise)
        return self._record.store.read(key)

    def download(self, key: str | None, media_type: str, name: str) -> Response:
        """A file of the run, streamed; images are shown, everything else is saved."""
        if key is None:
            raise HTTPException(404, f"the run has no {name} yet")
        shown = media_type in _INLINE_IMAGES
        disposition = f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(name)}"
        return StreamingResponse(
            self._record.store.stream(key),
            media_type=media_type if shown else "application/octet-stream",
            headers={**headers.FILE, "Content-Disposition": disposition},
        )


def _open_run(world: World, user: str, workspace_name: str, run_id: str) -> Run:
    try:
        workspace = world.workspaces().get(workspace_name)
    except InvalidRequest as error:
        raise HTTPException(404, str(error)) from error
    if not may_see(user, workspace):
        raise HTTPException(403, f"you are not a member of workspace {workspace_name!r}; ask its owner")
    if not keys.is_run_id(run_id):
        raise HTTPException(404, f"{run_id!r} is not a run id")
    record = record_of(world.bucket(workspace), run_id)
    manifest = record.read()
    if manifest is None:
        raise HTTPException(404, f"workspace {workspace_name!r} has no run {run_id!r}")
    return Run(record, manifest)


def _handle_errors(app: FastAPI, world: World) -> None:
    @app.exception_handler(NotLoggedIn)
    async def log_in(request: Request, error: NotLoggedIn) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(world.login_url(str(request.url)), status_code=302)
        return PlainTextResponse(f"not logged in: {error}\n", 401, headers={"WWW-Authenticate": "Bearer"})

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return PlainTextResponse(f"{error.detail}\n", error.status_code, headers=headers.FILE)

    @app.exception_handler(ObjectMissing)
    async def missing(_: Request, error: ObjectMissing) -> Response:
        return PlainTextResponse(f"{error}\n", 404, headers=headers.FILE)

    @app.exception_handler(StoreFailed)
    async def store_failed(_: Request, error: StoreFailed) -> Response:
        return PlainTextResponse(f"{error}\n", 503, headers={**headers.FILE, "Retry-After": "10"})


def _templates() -> Environment:
    folder = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=select_autoescape(default=True))
    filters: dict[str, Any] = {
        "bytes": bytes_for_people,
        "duration": duration_for_people,
        "when": when_for_people,
        "path": lambda path: quote(path, safe="/"),
    }
    environment.filters.update(filters)
    return environment
