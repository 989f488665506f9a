"""Numbers of the requests that this process answers, by route and never by path."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OTHER = "other"


class RequestMetrics:
    """Counters in a registry of their own: nothing is shared with other apps of the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._answers = Counter(
            "daybook_http_requests", "Answers, by route.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "daybook_http_request_seconds",
            "Seconds until an answer begins, by route.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts an answer."""
        known = method if method in _METHODS else OTHER
        self._answers.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)


class Measuring:
    """ASGI middleware: counts the answers of what it stands before.

    Args:
        app: what it stands before.
        metrics: where they are counted.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, is_told = time.perf_counter(), False

        def tell(status: int) -> None:
            nonlocal is_told
            if not is_told:
                is_told = True
                route = getattr(scope.get("route"), "path", OTHER)
                self._metrics.note(scope["method"], route, status, time.perf_counter() - began)

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                tell(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, telling)
        except Exception:
            tell(500)
            raise
