"""Lets one writing request at a time into an API server that keeps its records in SQLite.

Airflow notes each change in its audit log by a blocking commit on the event loop's own thread
(`airflow.api_fastapi.logging.decorators`). SQLite takes one writer at a time. Where another request, in a worker
thread, has written and not committed yet, its commit needs the event loop, which waits for SQLite, which waits for
that commit: the server stands still until SQLite gives up, and the request is answered with a database error. Three
triggers in a row while tasks start are enough to see it. Other databases let both write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from daybook.on_airflow.admission import App, Receive, Scope, Send, read_body, replay, route_path

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_WRITING_PATHS = ("/api/v2/", "/execution/", "/ui/")


class OneWriter:
    """ASGI middleware around Airflow's API server.

    Args:
        app: what it stands before.
        is_needed: whether Airflow's records are in SQLite; asked once.
    """

    def __init__(self, app: App, is_needed: Callable[[], bool]) -> None:
        self._app = app
        self._lock = asyncio.Lock() if is_needed() else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, a writing one when it is its turn."""
        if self._lock is None or not _writes(scope):
            await self._app(scope, receive, send)
            return
        messages, _ = await read_body(receive)  # a client that stalls must not keep the others waiting
        async with self._lock:
            await self._app(scope, replay(messages, receive), send)


def _writes(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] not in _READING and route_path(scope).startswith(_WRITING_PATHS)


def records_in_sqlite() -> bool:
    """Whether this Airflow keeps its records in SQLite."""
    from airflow.configuration import conf

    return str(conf.get("database", "sql_alchemy_conn")).startswith("sqlite")
