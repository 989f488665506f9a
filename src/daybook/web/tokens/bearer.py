"""Whether a header, and not the browser's cookie, says who asks."""

from __future__ import annotations

from starlette.requests import Request


def is_bearer(request: Request) -> bool:
    """Whether a token in a header vouches for whoever asks; no page of somebody else's can make a browser send one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and bool(token)
