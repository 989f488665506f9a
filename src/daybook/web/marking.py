"""Answers that no route of ours made, such as the framework's redirects, tell browsers as little as a file may do."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daybook.web import headers


class Marking:
    """ASGI middleware: what an answer does not say of itself, `headers.FILE` says.

    Args:
        app: what it stands before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, and its answer back."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, text in headers.FILE.items():
                    found.setdefault(name, text)
            await send(message)

        await self._app(scope, receive, marked)
