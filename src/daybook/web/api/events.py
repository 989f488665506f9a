"""A run's progress as server-sent events."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Annotated, cast

from fastapi import APIRouter, Header, HTTPException
from fastapi.responses import Response, StreamingResponse
from starlette.types import Send

from daybook.contract.manifest import State
from daybook.web import headers
from daybook.web.api.answering import declared
from daybook.web.live.looking import Looking
from daybook.web.live.model import Progress
from daybook.web.live.watching import TooMany
from daybook.web.runs import SeenRun
from daybook.web.site import Here, Site, User
from daybook.workspaces import Identity, Workspace

router = APIRouter(tags=["runs"])

KEEP_ALIVE_SECONDS = 15.0
"""Proxies close what is silent for long; thirty seconds are usual for the strictest."""
STREAM_SECONDS = (45.0, 75.0)
"""How long one answer lasts, by chance. Whoever follows comes again at once, and is asked again who they are: an access
that was lost ends here. It is also the longest that a server which is being stopped waits for its viewers."""
COME_AGAIN_MILLISECONDS = 300
END = "end"
"""The id of the last event: whoever comes again with it, as an `EventSource` does by itself, has heard all."""


_EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["state", "end"]},
        "id": {"type": "string"},
        "retry": {"type": ["integer", "string"], "description": "milliseconds"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": Progress.model_json_schema(),
        },
    },
}
"""An event, as its fields are; `data` holds JSON."""


class EventStream(StreamingResponse):
    """Ends its source as soon as whoever listened is gone."""

    media_type = "text/event-stream"

    async def stream_response(self, send: Send) -> None:
        """Sends the answer."""
        async with aclosing(cast("AsyncIterator[bytes]", self.body_iterator)):  # type: ignore[type-var]
            await super().stream_response(send)


@router.get(
    "/api/v1/runs/{workspace}/{run_id}/events",
    response_class=EventStream,
    responses={
        200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": _EVENT}}},
        204: {"description": "You have heard all; an `EventSource` does not come again."},
        **declared(404, 503),
    },
)
async def events(
    site: Here,
    user: User,
    run: SeenRun,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", description="Of the event before.")] = None,
) -> Response:
    """The run's progress, whole each time that something is new, until the run is over.

    Events are named `state` (a `Progress`) and, last, `end`. An answer that ends without one is to be asked for again,
    as an `EventSource` does by itself. Each tells all: what was missed in between is missed no more.
    """
    if last_event_id == END:
        return Response(None, 204, headers.EVENTS)
    try:
        site.live.require_room(run.workspace.name, run.run_id, user.user)
    except TooMany as error:
        raise HTTPException(503, str(error), {"Retry-After": "10"}) from error
    return EventStream(_events(site, user, run.workspace, run.run_id), headers=headers.EVENTS)


async def _events(site: Site, user: Identity, workspace: Workspace, run_id: str) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % COME_AGAIN_MILLISECONDS
    until = time.monotonic() + random.uniform(*STREAM_SECONDS)  # noqa: S311 - so that not all come again at once
    look = partial(Looking, site, workspace, run_id)
    blank = Progress(run_id=run_id, workspace=workspace.name, state=State.QUEUED)
    try:
        with site.live.watching(workspace.name, run_id, user.user, look, blank) as watcher:
            number = 0
            while time.monotonic() < until:
                told = await watcher.next(number, KEEP_ALIVE_SECONDS)
                if told is None and watcher.has_ended:
                    return
                if told is None:
                    yield b": nothing new\n\n"
                    continue
                number = told.number
                yield b"id: %d\nevent: state\ndata: %s\n\n" % (number, told.data)
                if told.is_last:
                    yield b"id: %s\nevent: end\ndata: {}\n\n" % END.encode()
                    return
    except TooMany:
        return  # others were faster; who comes again is told so
