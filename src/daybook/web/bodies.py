"""How large a request may be: what is larger is refused before it is held in memory."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 4 * 1024 * 1024
"""As much as a request to a pod may have in all; forms and documents of ours have some kilobytes."""
_TOO_LARGE = f"the request is larger than {MAX_BODY_BYTES // 1024 // 1024} MiB"


class BodyLimit:
    """ASGI middleware within the handling of errors: whoever reads more than is allowed gets a 413 to pass on.

    Args:
        app: what it stands before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, with a body that ends in time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        told = int(length) if length.isdecimal() else 0
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if max(seen, told) > MAX_BODY_BYTES:
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, limited, send)
