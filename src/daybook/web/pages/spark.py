"""The page of the workspaces' Spark servers, and its buttons."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from daybook.contract.errors import InvalidRequest, NotAllowed
from daybook.contract.spark_state import size_in_words
from daybook.web import headers
from daybook.web.runs import require_workspace
from daybook.web.site import Here, Site, User
from daybook.web.spark import link_to
from daybook.web.tokens.csrf import SafePost
from daybook.web.world import Conflict, SparkDeed
from daybook.workspaces import Identity

router = APIRouter()

_ASKED = {
    "start": "Airflow starts the server of {workspace}; it is here within a minute, if there is room for it.",
    "stop": "Airflow stops the server of {workspace}.",
}


@router.get("/spark", include_in_schema=False)
def page(site: Here, user: User, asked: str = "", workspace: str = "") -> Response:
    """The servers of all workspaces of whoever looks."""
    names = {each.name for each in site.workspaces_of(user)}
    notice = _ASKED[asked].format(workspace=workspace) if asked in _ASKED and workspace in names else None
    return show(site, user, notice)


def show(site: Site, user: Identity, notice: str | None = None, status: int = 200) -> Response:
    """The page, with what became of something that was asked for on it."""
    found = site.spark.at(site.workspaces_of(user))
    return site.page(
        "spark.html",
        status,
        found=[each for each in found if each.kind != "none"],
        without=[each.workspace.name for each in found if each.kind == "none"],
        notice=notice,
        csrf=site.csrf.token(user),
        link_to=link_to,
        size=size_in_words,
        user=user.user,
        here="spark",
    )


@router.post("/spark/{workspace}/start", include_in_schema=False)
async def start(request: Request, site: Here, user: User, workspace: str, _: SafePost) -> Response:
    """Has Airflow start the workspace's server, unless it is there."""
    return await _done(request, site, user, SparkDeed(workspace, "start"))


@router.post("/spark/{workspace}/stop", include_in_schema=False)
async def stop(request: Request, site: Here, user: User, workspace: str, _: SafePost) -> Response:
    """Has Airflow stop the workspace's servers; the button has asked whether that is meant where they are used."""
    return await _done(request, site, user, SparkDeed(workspace, "stop"))


async def _done(request: Request, site: Site, user: Identity, deed: SparkDeed) -> Response:
    await run_in_threadpool(require_workspace, site, user, deed.workspace)
    try:
        await site.world.spark(request, user, deed)
    except NotAllowed as error:
        return await run_in_threadpool(show, site, user, str(error), 403)
    except (InvalidRequest, Conflict) as error:
        return await run_in_threadpool(show, site, user, f"This cannot be done: {error}", 409)
    query = urlencode({"asked": deed.action, "workspace": deed.workspace})
    marks = {**headers.FILE, "Cache-Control": "no-store"}
    return RedirectResponse(f"{site.world.settings.mount}/spark?{query}", 303, headers=marks)
