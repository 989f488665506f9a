"""The JSON API: health. Nobody has to log in for it, and it tells nothing of any workspace but how many there are."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from daybook.web.api.answering import answer
from daybook.web.api.models import Buckets, Live, Part, Ready
from daybook.web.readiness import Found
from daybook.web.site import Here, Site, user_of
from daybook.web.world import NotLoggedIn

router = APIRouter(tags=["health"])

NO_STORE = {"Cache-Control": "no-store"}


@router.get("/health/live", response_model=Live)
async def live() -> Response:
    """Whether the process answers."""
    return answer(Live(), 200, NO_STORE)


@router.get(
    "/health/ready",
    response_model=Ready,
    responses={503: {"model": Ready, "description": "Requests cannot be served; the parts tell why."}},
)
async def ready(request: Request, site: Here) -> Response:
    """Whether requests can be served: workspaces and catalogue can be read, and a bucket answers.

    As of a look some seconds ago, at most. Whoever is logged in is told which of their own workspaces' buckets do not
    answer.
    """
    found = await run_in_threadpool(site.readiness.look)
    mine = await _mine(request, site) if found.unreachable else frozenset()
    document = _document(found, mine)
    return answer(document, 200 if document.is_ready else 503, NO_STORE)


def _document(found: Found, mine: frozenset[str]) -> Ready:
    reachable = found.total - len(found.unreachable)
    return Ready(
        is_ready=found.workspaces and found.catalogue and found.has_buckets,
        workspaces=_part(found.workspaces, "the workspaces cannot be read; Airflow's log says why"),
        catalogue=_part(found.catalogue, "the catalogue cannot be read; Airflow's log says why"),
        buckets=Buckets(
            is_ready=found.has_buckets,
            detail="" if found.has_buckets else "no bucket answers",
            total=found.total,
            reachable=reachable,
            unreachable=[name for name in found.unreachable if name in mine],
        ),
    )


def _part(is_ready: bool, detail: str) -> Part:
    return Part(is_ready=is_ready, detail="" if is_ready else detail)


async def _mine(request: Request, site: Site) -> frozenset[str]:
    """The workspaces of whoever asks; none for whoever is not logged in, or of whom nobody can tell that now."""
    try:
        user = await user_of(request)
    except (NotLoggedIn, HTTPException):
        return frozenset()
    found = await run_in_threadpool(site.workspaces_of, user)
    return frozenset(each.name for each in found)
