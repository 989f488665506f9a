"""Compressed answers, where nobody can read a secret off their lengths."""

from __future__ import annotations

from functools import partial

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daybook.web.tokens.bearer import is_of_program

MINIMUM_BYTES = 1_000
"""What is smaller fits into one packet anyhow."""
LEVEL = 5
"""Nearly as small as 9, in a third of the time."""

# Files of runs: what needs it is compressed already, and the rest would cost the event loop of all of Airflow's API.
_NOT = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/octet-stream", "application/pdf")


class Compressing:
    """ASGI middleware: gzip for whoever takes it, unless another site may have had the browser ask.

    The length of a compressed answer tells how much of what one has put into a link repeats what stands beside it. Who
    can make a browser ask often, and sees lengths, reads secrets so (BREACH): a form's token, another run's title. Such
    requests come from another site, and browsers say so; a request with a token of its own comes from a program.

    Args:
        app: what it stands before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._gzip = GZipMiddleware(app, MINIMUM_BYTES, LEVEL, exclude_content_types=_NOT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self._plain(scope, receive, send)
        elif _is_safe(Headers(scope=scope)):
            await self._gzip(scope, receive, send)
        else:
            await self._plain(scope, receive, partial(_send_as_it_is, send))


async def _send_as_it_is(send: Send, message: Message) -> None:
    """Says that an answer is encoded already: Airflow's own middleware compresses what does not say so."""
    if message["type"] == "http.response.start":
        MutableHeaders(scope=message).setdefault("Content-Encoding", "identity")
    await send(message)


def _is_safe(headers: Headers) -> bool:
    return is_of_program(headers) or headers.get("sec-fetch-site") in ("same-origin", "none")
