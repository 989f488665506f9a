"""Leads from the pages' path without its last slash to the catalogue.

A mounted app never sees that path: Airflow's own pages answer it, with a page that says that there is none.
"""

from __future__ import annotations

from daybook.on_airflow.admission import App, Receive, Scope, Send, route_path


class BarePath:
    """ASGI middleware around Airflow's API server.

    Args:
        app: what it stands before.
        prefix: the path that the pages are mounted at.
    """

    def __init__(self, app: App, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on but that one path, to which only looking is answered."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or route_path(scope) != self._prefix:
            await self._app(scope, receive, send)
            return
        # Relative to the path that was asked for: so it holds below whatever a proxy puts in front of it.
        place = self._prefix.rpartition("/")[2].encode() + b"/"
        query = scope["query_string"]
        location = place + b"?" + query if query else place
        headers = [(b"location", location), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
