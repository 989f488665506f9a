"""Errors as pages, for people whose browser asks: what is wrong, in the look of all the others, and a way on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi.responses import Response
from starlette.requests import Request

from daybook.contract.errors import Fault
from daybook.web.site import site_of

TITLES = {
    400: "That cannot be read",
    401: "Not logged in",
    403: "Refused",
    404: "Nothing here",
    405: "Nothing here to look at",
    409: "Not as it is now",
    413: "Too large",
    422: "Not as it must be",
    429: "Too many at once",
    500: "That went wrong",
    503: "Not just now",
}
_OWN_WORDS = {
    404: "there is no such page",
    405: "this address takes only what a button or a form of another page sends",
}
"""For what the router says, which knows no more than the status."""


def wants_page(request: Request) -> bool:
    """Whether a browser asks for something to show."""
    return "text/html" in request.headers.get("accept", "")


def error_page(
    request: Request, status: int, text: str, faults: Sequence[Fault] = (), more: Mapping[str, str] | None = None
) -> Response:
    """The page of an error."""
    phrase = HTTPStatus(status).phrase
    told = _OWN_WORDS.get(status, text) if text == phrase else text
    is_repeatable = request.method == "GET" and status >= 429
    page = site_of(request).page(
        "error.html",
        status,
        title=TITLES.get(status, phrase),
        code=status,
        text=told[:1].upper() + told[1:],
        faults=faults,
        is_repeatable=is_repeatable,
    )
    page.headers.update(more or {})
    return page
