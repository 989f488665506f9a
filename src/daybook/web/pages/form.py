"""The run form: filled in by a link, checked whole, and posted to start a run."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from fastapi import APIRouter, HTTPException
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from daybook.catalogue import Notebook
from daybook.contract.errors import Fault, InvalidRequest, NotAllowed
from daybook.web import headers
from daybook.web.asking import order, request_of, visible_notebook, wants_request
from daybook.web.faults import answered
from daybook.web.forms.checking import check_given, faults_of_link
from daybook.web.forms.given import Given, from_form, from_link
from daybook.web.forms.view import view_of
from daybook.web.posted import decoded
from daybook.web.rates import TooManyRuns
from daybook.web.site import Here, Site, User
from daybook.web.tokens.csrf import SafePost
from daybook.web.world import Conflict
from daybook.workspaces import Identity

router = APIRouter(include_in_schema=False)


@router.get("/run/{notebook_id}")
def form(site: Here, user: User, request: Request, notebook_id: str) -> Response:
    """The form with a link's values; a program with a token is told the request that the link means. Runs nothing."""
    notebook = _notebook(site, user, notebook_id)
    try:
        given = from_link(decoded(request.url.query))
    except ValueError as error:
        raise HTTPException(400, "the link cannot be read, or has too many values") from error
    if wants_request(request):
        return _described(site, user, request, notebook, given)
    return _page(site, user, request, notebook, given, faults_of_link(site, user, notebook, given))


@router.post("/run/{notebook_id}")
async def run(site: Here, user: User, request: Request, posted: SafePost, notebook_id: str) -> Response:
    """Starts a run, and leads to its page; or shows the form again, with all that is wrong and nothing lost."""
    notebook = await run_in_threadpool(_notebook, site, user, notebook_id)
    given = from_form(notebook, posted.fields)
    try:
        checked = await run_in_threadpool(check_given, site, user, notebook, given)
        asked = await order(site, request, user, checked, posted.same_as(user.user))
    except NotAllowed as error:
        status, faults = 403, _told(error)
    except InvalidRequest as error:
        status, faults = 422, _told(error)
    except Conflict as error:
        status, faults = 409, [Fault("", str(error))]
    except TooManyRuns as error:
        status, faults = 429, [Fault("", str(error))]
    else:
        page = f"{site.world.settings.mount}/runs/{quote(asked.workspace)}/{quote(asked.run_id)}"
        return RedirectResponse(page, 303, headers={"Cache-Control": "no-store"})
    return await run_in_threadpool(_page, site, user, request, notebook, given, faults, status)


def _notebook(site: Site, user: Identity, notebook_id: str) -> Notebook:
    try:
        return visible_notebook(site, user, notebook_id)
    except InvalidRequest as error:
        raise HTTPException(404, str(error)) from error


def _described(site: Site, user: Identity, request: Request, notebook: Notebook, given: Given) -> Response:
    try:
        checked = check_given(site, user, notebook, given)
    except InvalidRequest as error:
        return answered(request, 422, error.summary, error.faults)
    return JSONResponse(request_of(checked, site), headers=headers.FILE)


def _page(
    site: Site,
    user: Identity,
    request: Request,
    notebook: Notebook,
    given: Given,
    faults: Sequence[Fault],
    status: int = 200,
) -> Response:
    settings = site.world.settings
    base = settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
    here = f"{base}{settings.mount}/run/{quote(notebook.id)}"
    view = view_of(site, user, notebook, given, faults, here)
    return site.page("form.html", status, here="notebooks", user=user.user, v=view)


def _told(error: InvalidRequest) -> list[Fault]:
    return list(error.faults) or [Fault("", error.summary)]
