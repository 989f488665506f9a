"""The JSON API: the workspaces' Spark servers."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from daybook.web.api.answering import CHANGING, Deliberate, answer, base_of, declared
from daybook.web.api.models import SparkDocument, SparkList, SparkServerDocument
from daybook.web.runs import require_workspace
from daybook.web.site import Here, Site, User
from daybook.web.spark import WorkspaceSpark
from daybook.web.world import Conflict, SparkDeed
from daybook.workspaces import Identity

SPARK_PATH = "/api/v1/spark"

router = APIRouter(tags=["spark"])


@router.get(SPARK_PATH, response_model=SparkList)
def list_spark(site: Here, user: User) -> Response:
    """The Spark of each workspace that you may see, as its servers say themselves."""
    return answer(SparkList(workspaces=[document_of(each) for each in site.spark.at(site.workspaces_of(user))]))


@router.get(SPARK_PATH + "/{workspace}", response_model=SparkDocument, responses=declared(404))
def get_spark(site: Here, user: User, workspace: str) -> Response:
    """One workspace's Spark."""
    return answer(document_of(_look(site, user, workspace)))


@router.post(
    SPARK_PATH + "/{workspace}/start",
    status_code=202,
    response_model=SparkDocument,
    responses=declared(404, 409) | CHANGING,
    dependencies=[Deliberate],
)
async def start_spark(request: Request, site: Here, user: User, workspace: str) -> Response:
    """Has Airflow start the workspace's server; one that is there stays. Runs need not ask for theirs."""
    found = await run_in_threadpool(_look, site, user, workspace)
    return await _done(request, site, user, found, SparkDeed(workspace, "start"))


@router.post(
    SPARK_PATH + "/{workspace}/stop",
    status_code=202,
    response_model=SparkDocument,
    responses=declared(404, 409) | CHANGING,
    dependencies=[Deliberate],
)
async def stop_spark(
    request: Request,
    site: Here,
    user: User,
    workspace: str,
    force: Annotated[bool, Query(description="Also where sessions are open, which fail then.")] = False,
) -> Response:
    """Has Airflow stop the workspace's servers; 409 while somebody uses them, unless forced."""
    found = await run_in_threadpool(_look, site, user, workspace)
    if found.sessions and not force:
        raise Conflict(f"sessions are open ({found.sessions}), and would fail; stop it with force=true")
    return await _done(request, site, user, found, SparkDeed(workspace, "stop"))


def document_of(found: WorkspaceSpark) -> SparkDocument:
    """A workspace's Spark as the API tells it."""
    servers = [
        SparkServerDocument(
            name=each.name,
            state=each.state,
            why=each.why,
            started_at=each.started_at,
            told_at=each.told_at,
            size=each.size,
            sessions=each.sessions,
            remote=each.remote,
            ui=each.ui,
        )
        for each in found.servers
    ]
    return SparkDocument(
        workspace=found.workspace.name,
        kind=found.kind,
        remote=found.remote,
        ui=found.ui,
        servers=servers,
        trouble=found.trouble,
    )


def _look(site: Site, user: Identity, workspace: str) -> WorkspaceSpark:
    return site.spark.at([require_workspace(site, user, workspace)])[0]


async def _done(request: Request, site: Site, user: Identity, found: WorkspaceSpark, deed: SparkDeed) -> Response:
    await site.world.spark(request, user, deed)
    return answer(document_of(found), 202, {"Location": f"{base_of(site)}{SPARK_PATH}/{quote(deed.workspace)}"})
