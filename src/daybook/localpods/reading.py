"""`GET …/log`: a container's log, as it is or as it grows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from daybook.localpods.api.errors import bad_request
from daybook.localpods.clock import NANOSECONDS, nanoseconds_of
from daybook.localpods.handle import Pulse
from daybook.localpods.logs import LogQuery, LogReader
from daybook.localpods.serving import flag, whole_number

Json = dict[str, Any]


def log_answer(
    request: Request,
    pod: Json,
    file_of: Callable[[str], Path],
    pulse_of: Callable[[str], Pulse | None],
    closing: asyncio.Event,
) -> Response:
    """Answers a request for a log.

    Args:
        request: its query says which container and what part.
        pod: the pod.
        file_of: where a container's log lies.
        pulse_of: what beats when a container's log grows; None when it grows no more.
        closing: set when the server ends.

    Raises:
        ApiError: 400 when there is no such container, it has not started, or the query makes no sense.
    """
    query = request.query_params
    container = _container(pod, query.get("container", ""))
    wanted = _query(query)
    if flag(query, "previous"):
        name = pod["metadata"]["name"]
        raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
    _must_have_started(pod, container)
    if not file_of(container).exists():  # its command could not be found, so it never wrote
        return PlainTextResponse(b"")
    reader = LogReader(file_of(container), wanted)
    if flag(query, "follow"):
        return StreamingResponse(_follow(reader, lambda: pulse_of(container), closing), media_type="text/plain")
    return StreamingResponse(_read(reader), media_type="text/plain")


def _container(pod: Json, named: str) -> str:
    names = [one["name"] for field in ("containers", "initContainers") for one in pod["spec"].get(field) or ()]
    pod_name = pod["metadata"]["name"]
    if named:
        if named not in names:
            raise bad_request(f"container {named} is not valid for pod {pod_name}")
        return named
    if len(names) > 1:
        raise bad_request(f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(names)}]")
    return str(names[0])


def _query(query: Mapping[str, str]) -> LogQuery:
    seconds = whole_number(query, "sinceSeconds", low=1)
    since_ns = None if seconds is None else time.time_ns() - seconds * NANOSECONDS
    if query.get("sinceTime"):
        if seconds is not None:
            raise bad_request("at most one of sinceTime or sinceSeconds may be specified")
        try:
            since_ns = nanoseconds_of(query["sinceTime"])
        except ValueError as problem:
            raise bad_request(f"sinceTime: {problem}") from problem
    return LogQuery(
        timestamps=flag(query, "timestamps"),
        since_ns=since_ns,
        tail_lines=whole_number(query, "tailLines"),
        limit_bytes=whole_number(query, "limitBytes", low=1),
    )


def _must_have_started(pod: Json, container: str) -> None:
    status = pod["status"]
    known = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    state = next(
        (one["state"] for one in known if one["name"] == container), {"waiting": {"reason": "ContainerCreating"}}
    )
    if "waiting" in state:
        where = f'container "{container}" in pod "{pod["metadata"]["name"]}"'
        reason = state["waiting"]["reason"]
        if reason in ("ErrImagePull", "ImagePullBackOff"):
            raise bad_request(f"{where} is waiting to start: trying and failing to pull image")
        raise bad_request(f"{where} is waiting to start: {reason}")


async def _read(reader: LogReader) -> AsyncIterator[bytes]:
    with reader:
        while part := reader.read():
            yield part


async def _follow(
    reader: LogReader, pulse_of: Callable[[], Pulse | None], closing: asyncio.Event
) -> AsyncIterator[bytes]:
    """What is there and what comes, until the container has ended and all is read."""
    closed = asyncio.ensure_future(closing.wait())
    try:
        with reader:
            while True:
                pulse = pulse_of()
                beat = None if pulse is None else pulse.next()  # taken before the read, so nothing slips between
                while part := reader.read():
                    yield part
                if beat is None or reader.full or closing.is_set():
                    return
                waits: set[asyncio.Future[Any]] = {beat, closed}
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        closed.cancel()
