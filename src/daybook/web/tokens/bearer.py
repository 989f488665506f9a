"""Whether a header, and not the browser's cookie, says who asks."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import Request


def is_bearer(request: Request) -> bool:
    """Whether a token in a header vouches for whoever asks; no page of somebody else's can make a browser send one."""
    return has_bearer(request.headers)


def has_bearer(headers: Headers) -> bool:
    """The same, of a request's headers."""
    return bearer_of(headers) is not None


def bearer_of(headers: Headers) -> str | None:
    """The token in the header; None where there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" and token else None
