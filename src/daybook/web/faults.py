"""How errors are answered: a page or a line for people, a problem document (RFC 9457) for programs."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException as HttpError
from starlette.requests import Request
from starlette.routing import Match, Route

from daybook.contract.errors import Fault, InfrastructureFailed, InvalidRequest, InvalidSettings, NotAllowed
from daybook.storage import ObjectMissing
from daybook.web import headers
from daybook.web.error_pages import error_page, wants_page
from daybook.web.problems import answer_problem, faults_of_body, wants_problem
from daybook.web.rates import TooManyRuns
from daybook.web.tokens.bearer import is_bearer
from daybook.web.world import Conflict, NotLoggedIn, World

_RETRY_AFTER_SECONDS = "10"
_BADLY_SET_UP = "Daybook is not set up as it must be; its operator finds the reason in Airflow's log"
_LOG = logging.getLogger(__name__)


def handle_errors(app: FastAPI, world: World) -> None:
    """Sets the app's answers to what routes raise."""

    @app.exception_handler(NotLoggedIn)
    async def log_in(request: Request, error: NotLoggedIn) -> Response:
        if wants_page(request) and not wants_problem(request):
            return RedirectResponse(world.login_url(_place(request)), status_code=302, headers=headers.FILE)
        # RFC 6750, 3.1: whoever sent no token is told of no error.
        challenge = 'Bearer error="invalid_token"' if is_bearer(request) else "Bearer"
        return answered(request, 401, f"not logged in: {error}", more={"WWW-Authenticate": challenge})

    # Starlette's own class: an unknown path or method is answered like everything else.
    @app.exception_handler(HttpError)
    async def refused(request: Request, error: HttpError) -> Response:
        more = {"Allow": _allowed(app, request)} if error.status_code == 405 else error.headers
        return answered(request, error.status_code, error.detail, more=more)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        faults = faults_of_body(error.errors())
        return answered(request, 422, "the request is not as it must be", faults)

    @app.exception_handler(NotAllowed)
    async def not_allowed(request: Request, error: NotAllowed) -> Response:
        return answered(request, 403, error.summary, error.faults)

    @app.exception_handler(InvalidRequest)
    async def invalid(request: Request, error: InvalidRequest) -> Response:
        return answered(request, 422, error.summary, error.faults)

    @app.exception_handler(Conflict)
    async def conflict(request: Request, error: Conflict) -> Response:
        return answered(request, 409, error)

    @app.exception_handler(TooManyRuns)
    async def too_many(request: Request, error: TooManyRuns) -> Response:
        return answered(request, 429, error, more={"Retry-After": str(error.seconds)})

    @app.exception_handler(ObjectMissing)
    async def missing(request: Request, error: ObjectMissing) -> Response:
        return answered(request, 404, error)

    @app.exception_handler(InfrastructureFailed)
    async def away(request: Request, error: InfrastructureFailed) -> Response:
        return answered(request, 503, error, more={"Retry-After": _RETRY_AFTER_SECONDS} if error.retry_helps else None)

    @app.exception_handler(InvalidSettings)
    async def badly_set_up(request: Request, error: InvalidSettings) -> Response:
        # What is wrong names files of this machine: that is for its operator, and not for whoever looks at a run.
        _LOG.error("%s", error)
        return answered(request, 500, _BADLY_SET_UP)

    # Starlette sends this answer and raises the error on, to whatever serves the app.
    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        reference = secrets.token_hex(6)
        _LOG.error("unforeseen error %s: %s %s", reference, request.method, request.url.path, exc_info=error)
        text = f"Daybook failed at this; its operator finds the reason in Airflow's log by {reference}"
        if wants_problem(request):
            return answer_problem(500, text, request=request, reference=reference)
        return answered(request, 500, text)


def _place(request: Request) -> str:
    """What was asked for, without the host: a proxy may have asked for it by a name that no browser knows."""
    query = f"?{request.url.query}" if request.url.query else ""
    return quote(request.scope["path"]) + query


def _allowed(app: FastAPI, request: Request) -> str:
    """The methods of all routes of a path; the router itself names those of one."""
    fitting = [each for each in app.router.routes if each.matches(request.scope)[0] is not Match.NONE]
    methods = {method for each in fitting if isinstance(each, Route) for method in each.methods or ()}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def answered(
    request: Request, status: int, text: object, faults: Sequence[Fault] = (), more: Mapping[str, str] | None = None
) -> Response:
    """What is wrong, as whoever asks can read it."""
    if wants_problem(request):
        return answer_problem(status, text, faults, request=request, more=more)
    if wants_page(request):
        return error_page(request, status, str(text), faults, more)
    lines = [str(text), *(f"- {each}" for each in faults)]
    return told(status, "\n".join(lines), more)


def told(status: int, text: object, more: Mapping[str, str] | None = None) -> Response:
    """One plain line."""
    return PlainTextResponse(f"{text}\n", status, headers={**headers.FILE, **(more or {})})
