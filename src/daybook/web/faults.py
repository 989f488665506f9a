"""How errors are answered: a page or a line for people, a problem document (RFC 9457) for programs."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException as HttpError
from starlette.requests import Request

from daybook.contract.errors import Faulty, InvalidSettings, StoreFailed
from daybook.storage import ObjectMissing
from daybook.web import headers
from daybook.web.world import NotLoggedIn, World

_RETRY_AFTER_SECONDS = "10"
_LOG = logging.getLogger(__name__)


def handle_errors(app: FastAPI, world: World) -> None:
    """Sets the app's answers to what routes raise."""

    @app.exception_handler(NotLoggedIn)
    async def log_in(request: Request, error: NotLoggedIn) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(world.login_url(str(request.url)), status_code=302, headers=headers.FILE)
        return told(401, f"not logged in: {error}", {"WWW-Authenticate": "Bearer"})

    # Starlette's own class: an unknown path or method is answered like everything else.
    @app.exception_handler(HttpError)
    async def refused(_: Request, error: HttpError) -> Response:
        return told(error.status_code, error.detail, error.headers)

    @app.exception_handler(ObjectMissing)
    async def missing(_: Request, error: ObjectMissing) -> Response:
        return told(404, error)

    @app.exception_handler(StoreFailed)
    async def store_failed(_: Request, error: StoreFailed) -> Response:
        return told(503, error, {"Retry-After": _RETRY_AFTER_SECONDS} if error.retry_helps else None)

    @app.exception_handler(InvalidSettings)
    async def badly_set_up(_: Request, error: InvalidSettings) -> Response:
        # What is wrong names files of this machine: that is for its operator, and not for whoever looks at a run.
        _LOG.error("%s", error)
        return told(500, "Daybook is not set up as it must be; its operator finds the reason in Airflow's log")


def told(status: int, text: object, more: Mapping[str, str] | None = None) -> Response:
    """One plain line."""
    return PlainTextResponse(f"{text}\n", status, headers={**headers.FILE, **(more or {})})


def problem(status: int, error: Faulty) -> Response:
    """A problem document (RFC 9457) that names every fault."""
    content = {
        "type": "about:blank",
        "title": error.summary,
        "status": status,
        "detail": str(error),
        "faults": [{"where": fault.where, "message": fault.message} for fault in error.faults],
    }
    return JSONResponse(content, status, headers=headers.FILE, media_type="application/problem+json")
