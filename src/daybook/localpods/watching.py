"""`watch=true`: the changes of a collection as a stream of JSON lines."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

from daybook.localpods.api.errors import bad_request, expired
from daybook.localpods.api.tables import VIEWS, table
from daybook.localpods.limits import WATCH_SECONDS
from daybook.localpods.serving import Selection, flag, wants_table, whole_number
from daybook.localpods.store import Change, Collection, Subscription

Json = dict[str, Any]


@dataclass
class _Writer:
    """Turns objects into lines; with tables only the first describes the columns."""

    resource: str
    as_table: bool
    include: str
    head: bool = True

    def line(self, kind: str, one: Json) -> bytes:
        if self.as_table and kind not in ("ERROR", "BOOKMARK"):
            version = one["metadata"].get("resourceVersion", "")
            one = table(VIEWS[self.resource], [one], version, self.include, head=self.head)
            self.head = False
        return json.dumps({"type": kind, "object": one}).encode() + b"\n"


def watch(
    request: Request, resource: str, collection: Collection, selection: Selection, closing: asyncio.Event
) -> StreamingResponse:
    """Answers a watch.

    Without a resourceVersion, or with 0, the objects that exist come first, as ADDED; otherwise only what changed
    after it.

    Raises:
        ApiError: 400 for a malformed query, 410 when the changes since then are no longer known.
    """
    query = request.query_params
    seconds = whole_number(query, "timeoutSeconds")
    after = whole_number(query, "resourceVersion") or None
    initial = flag(query, "sendInitialEvents")
    if initial and not (flag(query, "allowWatchBookmarks") and query.get("resourceVersionMatch") == "NotOlderThan"):
        raise bad_request("sendInitialEvents needs allowWatchBookmarks=true and resourceVersionMatch=NotOlderThan")
    subscription = collection.subscribe(None if initial else after)
    first = [one for one in collection if one in selection] if initial or after is None else []
    writer = _Writer(resource, wants_table(request), query.get("includeObject", "Metadata"))
    opening = [writer.line("ADDED", one) for one in first]
    if initial:
        opening.append(writer.line("BOOKMARK", _end_of_initial(resource, collection.version)))
    lasting = WATCH_SECONDS if seconds is None else seconds
    stream = _stream(collection, subscription, selection, writer, opening, time.monotonic() + lasting, closing)
    return StreamingResponse(stream, media_type="application/json")


async def _stream(
    collection: Collection,
    subscription: Subscription,
    selection: Selection,
    writer: _Writer,
    opening: list[bytes],
    until: float,
    closing: asyncio.Event,
) -> AsyncIterator[bytes]:
    closed = asyncio.ensure_future(closing.wait())
    coming = asyncio.ensure_future(subscription.next())
    try:
        yield b"".join(opening)  # also when empty: it sends the head of the answer, which clients wait for
        while (left := until - time.monotonic()) > 0:
            await asyncio.wait({coming, closed}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            change = coming.result()
            coming = asyncio.ensure_future(subscription.next())
            if change is None:
                yield writer.line("ERROR", expired(collection.version).status())
                return
            kind = _seen_as(change, selection)
            if kind is not None:
                yield writer.line(kind, change.new)
    finally:
        closed.cancel()
        coming.cancel()
        collection.unsubscribe(subscription)


def _seen_as(change: Change, selection: Selection) -> str | None:
    """What a change is for one watcher: an object that no longer matches is gone for it."""
    was = change.old is not None and change.old in selection
    is_now = change.kind != "DELETED" and change.new in selection
    if was and not is_now:
        return "DELETED"
    if is_now:
        return "MODIFIED" if was else "ADDED"
    return None


def _end_of_initial(resource: str, version: int) -> Json:
    metadata = {"resourceVersion": str(version), "annotations": {"k8s.io/initial-events-end": "true"}}
    kind = {"pods": "Pod", "events": "Event"}[resource]
    return {"kind": kind, "apiVersion": "v1", "metadata": {**metadata, "creationTimestamp": None}}
