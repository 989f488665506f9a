"""Refuses a trigger of a Daybook DAG over REST before a DAG run exists, with every fault at once; to one that it lets
pass it gives the voucher by which the task knows the user's groups.

Core checks a conf against the Params, one fault at a time; it lets unknown names pass and cannot know what
`run_notebook`'s notebook takes. The operator checks again: triggers that come another way never pass here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

VOUCHER = "daybook_voucher"
"""The one name in a conf that is ours alone: what a client sends under it is thrown away, whatever the DAG."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Refusal:
    """Why a trigger is refused.

    Attributes:
        status: 4xx where the request is at fault, 500 where the installation is.
        detail: every fault, for the one who can act.
    """

    status: int
    detail: str


@dataclass(frozen=True)
class Passed:
    """A trigger of a Daybook DAG that may go on to core.

    Attributes:
        voucher: what the conf gets under `daybook_voucher`; None for nothing.
    """

    voucher: str | None = None


Decision = Refusal | Passed | None
"""None leaves the request to core, as it is."""

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Of larger bodies only the beginning is read: for a Daybook DAG they are refused, others are left to core."""

_TRIGGER = re.compile(r"/api/v2/dags/(?P<dag>[^/]+)/dagRuns")


class Admission:
    """ASGI middleware around Airflow's API server.

    Args:
        app: what it stands before.
        decide: what becomes of a trigger; gets the dag id, the conf (without a voucher) and the scope. The conf is None
            where the body is too large to be read.
    """

    def __init__(self, app: App, decide: Callable[[str, dict[str, Any] | None, Scope], Awaitable[Decision]]) -> None:
        self._app = app
        self._decide = decide

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on that is no trigger of a Daybook DAG with a bad conf."""
        triggers = scope["type"] == "http" and scope["method"] == "POST"
        found = _TRIGGER.fullmatch(route_path(scope)) if triggers else None
        if found is None:
            await self._app(scope, receive, send)
            return
        messages, body = await read_body(receive)
        is_too_large = len(body) > MAX_BODY_BYTES
        document = {} if is_too_large else _trigger(body)
        conf = None if document is None else document.get("conf") or {}
        if document is None or not isinstance(conf, dict):
            await self._app(scope, replay(messages, receive), send)
            return
        bare = {name: value for name, value in conf.items() if name != VOUCHER}
        decision = await self._decide(found["dag"], None if is_too_large else bare, scope)
        if isinstance(decision, Refusal):
            await _refuse(send, decision)
            return
        voucher = decision.voucher if isinstance(decision, Passed) else None
        vouched = bare if voucher is None else {**bare, VOUCHER: voucher}
        if vouched == conf:
            await self._app(scope, replay(messages, receive), send)
        else:
            await self._pass_on(scope, receive, send, {**document, "conf": vouched})

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, document: dict[str, Any]) -> None:
        """Passes the request on with another body."""
        body = json.dumps(document).encode()
        message = {"type": "http.request", "body": body, "more_body": False}
        await self._app(_with_length(scope, len(body)), replay([message], receive), send)


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


def _trigger(body: bytes) -> dict[str, Any] | None:
    """The body of a trigger; None where core will refuse it anyway."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _with_length(scope: Scope, length: int) -> Scope:
    """The scope of a request whose body has another length; one that came in chunks names none."""
    headers = [
        (name, str(length).encode() if name.lower() == b"content-length" else value) for name, value in scope["headers"]
    ]
    return {**scope, "headers": headers}


async def _refuse(send: Send, refusal: Refusal) -> None:
    content = json.dumps({"detail": refusal.detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
