"""Answers that no route of ours made, such as the framework's redirects: they tell browsers as little as a file may do,
and lead nowhere else."""

from __future__ import annotations

from starlette.datastructures import URL, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daybook.web import headers


class Marking:
    """ASGI middleware: what an answer does not say of itself, `headers.FILE` says; and where it leads to has no host.

    The framework makes such links of the host and scheme that we are asked by. A proxy may ask by others than browsers.

    Args:
        app: what it stands before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, and its answer back."""
        url = URL(scope=scope) if scope["type"] == "http" else URL()
        here = f"{url.scheme}://{url.netloc}"

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, text in headers.FILE.items():
                    found.setdefault(name, text)
                place = found.get("location", "").removeprefix(here)
                # What begins with two slashes would name a host.
                if place.startswith("/") and not place.startswith("//"):
                    found["location"] = place
            await send(message)

        await self._app(scope, receive, marked)
