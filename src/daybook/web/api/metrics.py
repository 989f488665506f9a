"""Metrics for Prometheus: of all workspaces for whoever has the scraper's token, of their own for everybody else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from daybook.web import headers
from daybook.web.api.answering import declared
from daybook.web.site import Here, user_of
from daybook.web.tokens.scraper import is_scraper
from daybook.workspaces import Identity

router = APIRouter(tags=["health"])


async def reader(request: Request, site: Here) -> Identity | None:
    """Who reads the metrics; None for a scraper with the token for all of them.

    Raises:
        NotLoggedIn: nobody is vouched for.
    """
    if await run_in_threadpool(is_scraper, request, site.world.settings.metrics_token_file):
        return None
    return await user_of(request)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **declared(503),
    },
)
def metrics(site: Here, user: Annotated[Identity | None, Depends(reader)]) -> Response:
    """Runs by workspace, notebook, state and reason; and, with the scraper's token, the requests of this process."""
    workspaces = list(site.world.workspaces()) if user is None else site.workspaces_of(user)
    text = generate_latest(_Listed(list(site.run_counts.collect(workspaces))).registry)
    if user is None:
        text += generate_latest(site.requests.registry)
    return Response(text, headers={**headers.FILE, "Content-Type": CONTENT_TYPE_LATEST})


class _Listed(Collector):
    """Metrics that are there already, in a registry of their own."""

    def __init__(self, found: Sequence[Metric]) -> None:
        self._found = found
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return self._found
