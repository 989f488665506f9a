"""Refuses a trigger of a Daybook DAG over REST before a DAG run exists, with every fault at once.

Core checks a conf against the Params, one fault at a time; it lets unknown names pass and cannot know what
`run_notebook`'s notebook takes. The operator checks again: triggers that come another way never pass here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Refusal:
    """Why a trigger is refused.

    Attributes:
        status: 400 where the request is at fault, 500 where the installation is.
        detail: every fault, for the one who can act.
    """

    status: int
    detail: str


MAX_BODY_BYTES = 4 * 1024 * 1024
"""Larger bodies go to core unread: no request of that size can travel to a pod, and the operator says so."""

_TRIGGER = re.compile(r"/api/v2/dags/(?P<dag>[^/]+)/dagRuns")


class Admission:
    """ASGI middleware around Airflow's API server.

    Args:
        app: what it stands before.
        refusal_of: why a conf is refused for a DAG, or None; gets the dag id, the conf and the scope.
    """

    def __init__(self, app: App, refusal_of: Callable[[str, Any, Scope], Awaitable[Refusal | None]]) -> None:
        self._app = app
        self._refusal_of = refusal_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on that is no trigger of a Daybook DAG with a bad conf."""
        triggers = scope["type"] == "http" and scope["method"] == "POST"
        found = _TRIGGER.fullmatch(route_path(scope)) if triggers else None
        if found is None:
            await self._app(scope, receive, send)
            return
        messages, body = await read_body(receive)
        conf = _conf(body)
        refusal = None if conf is None else await self._refusal_of(found["dag"], conf, scope)
        if refusal is None:
            await self._app(scope, replay(messages, receive), send)
        else:
            await _refuse(send, refusal)


def route_path(scope: Scope) -> str:
    """The path below the one that Airflow is mounted at."""
    return str(scope["path"]).removeprefix(str(scope.get("root_path", "")).rstrip("/"))


async def read_body(receive: Receive) -> tuple[list[MutableMapping[str, Any]], bytes]:
    """The messages of a request's body, and the body; of one that is too large only its beginning."""
    messages: list[MutableMapping[str, Any]] = []
    body = b""
    while True:
        message = await receive()
        messages.append(message)
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body") or len(body) > MAX_BODY_BYTES:
            return messages, body


def replay(messages: list[MutableMapping[str, Any]], receive: Receive) -> Receive:
    """A `receive` that gives those messages once more, and then what else comes."""
    waiting = iter(messages)

    async def again() -> MutableMapping[str, Any]:
        return next(waiting, None) or await receive()

    return again


def _conf(body: bytes) -> dict[str, Any] | None:
    """The conf of a trigger's body; None where core will refuse the body anyway."""
    if len(body) > MAX_BODY_BYTES:
        return None
    try:
        document = json.loads(body)
    except ValueError:
        return None
    conf = document.get("conf") if isinstance(document, dict) else None
    if isinstance(document, dict) and conf is None:
        return {}
    return conf if isinstance(conf, dict) else None


async def _refuse(send: Send, refusal: Refusal) -> None:
    content = json.dumps({"detail": refusal.detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
