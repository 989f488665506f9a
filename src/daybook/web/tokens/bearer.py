"""Whether a header, and not the browser's cookie, says who asks."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import Request


def is_bearer(request: Request) -> bool:
    """Whether a token in a header vouches for whoever asks."""
    return bearer_of(request.headers) is not None


def is_of_program(headers: Headers) -> bool:
    """Whether a program asks, with a token of its own; no page of somebody else's can make a browser ask so.

    The token alone does not say that: proxies (oauth2-proxy, service meshes), and Airflow where everybody is its admin,
    add one to whatever a browser sends. Browsers tell where a request comes from, programs do not.
    """
    return bearer_of(headers) is not None and not {"origin", "sec-fetch-site"} & set(headers.keys())


def bearer_of(headers: Headers) -> str | None:
    """The token in the header; None where there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" and token else None
