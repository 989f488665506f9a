"""The JSON API: runs, their records and their outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response
from starlette.requests import Request

from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.manifest import State
from daybook.web import headers
from daybook.web.api.answering import (
    RUNS_PATH,
    UNCHANGED,
    answer_tagged,
    base_of,
    declared,
    is_known,
    links_of_run,
)
from daybook.web.api.documents import of_seen, summary_of_asked, summary_of_row
from daybook.web.api.models import OutputDocument, OutputList, RunDocument, RunList
from daybook.web.api.notebooks import MAX_LIMIT
from daybook.web.pages.history import Wanted, read_wanted, waiting_runs
from daybook.web.pages.run_files import SIGNED_FROM_BYTES
from daybook.web.runs import OpenRun, SeenRun
from daybook.web.site import Here, User

router = APIRouter(tags=["runs"])

MAX_TEXT = 200
RUN_PATH = RUNS_PATH + "/{workspace}/{run_id}"
_DAY = "as `2026-11-26`, UTC"


@router.get(RUNS_PATH, response_model=RunList, responses=declared(422) | UNCHANGED)
def list_runs(
    request: Request,
    site: Here,
    user: User,
    workspace: Annotated[str, Query(max_length=MAX_TEXT, description="Only those of a workspace.")] = "",
    notebook: Annotated[str, Query(max_length=MAX_TEXT, description="Only those of a notebook, by its id.")] = "",
    state: Annotated[State | None, Query(description="Only those in a state.")] = None,
    by: Annotated[str, Query(max_length=MAX_TEXT, description="Only those of a user.")] = "",
    since: Annotated[str, Query(max_length=MAX_TEXT, description=f"The first day, {_DAY}.")] = "",
    until: Annotated[str, Query(max_length=MAX_TEXT, description=f"The last day, {_DAY}.")] = "",
    after: Annotated[str, Query(max_length=MAX_TEXT, description="Where the page begins: out of `next`.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many at most.")] = 50,
) -> Response:
    """Runs of the workspaces that you may see, the newest first."""
    texts = {
        "workspace": workspace,
        "notebook": notebook,
        "state": state or "",
        "by": by,
        "since": since,
        "until": until,
    }
    given = {name: text.strip() for name, text in {**texts, "after": after}.items() if text.strip()}
    wanted = read_wanted(given, site.workspaces_of(user))
    if wanted.faults:
        faults = [Fault(f"query.{name}", message) for name, message in wanted.faults.items()]
        raise InvalidRequest("these runs cannot be listed", faults)
    found = site.history.page(wanted.workspaces, wanted.where, wanted.after, limit)
    following = None
    if found.after is not None:
        query = urlencode({**given, "limit": limit, "after": found.after})
        following = f"{base_of(site)}{RUNS_PATH}?{query}"
    waiting = _waiting_part(wanted)
    document = RunList(
        runs=[summary_of_row(site, each) for each in found.rows],
        waiting=[summary_of_asked(site, each) for each in waiting_runs(site, waiting)][:MAX_LIMIT] if waiting else [],
        next=following,
        is_complete=found.is_complete,
        not_refreshed=list(found.not_refreshed),
    )
    answered = answer_tagged(request, document)
    if following is not None:
        answered.headers["Link"] = f'<{following}>; rel="next"'
    return answered


@router.get(RUN_PATH, response_model=RunDocument, responses=declared(404) | UNCHANGED)
def get_run(request: Request, site: Here, run: SeenRun) -> Response:
    """A run as it is now; one that waits in Airflow and has no record yet is `queued`."""
    return answer_tagged(request, of_seen(site, run))


@router.get(RUN_PATH + "/outputs", response_model=OutputList, responses=declared(404) | UNCHANGED)
def list_outputs(request: Request, site: Here, run: OpenRun) -> Response:
    """The files that the notebook wrote, of the run's newest attempt."""
    base = links_of_run(site, run.workspace.name, run.run_id).outputs
    found = [
        OutputDocument(
            path=each.path,
            size=each.size,
            sha256=each.sha256,
            media_type=each.media_type,
            url=f"{base}/{quote(each.path)}",
        )
        for each in run.manifest.outputs
    ]
    return answer_tagged(request, OutputList(outputs=found))


@router.get(
    RUN_PATH + "/outputs/{path:path}",
    response_class=Response,
    responses={
        200: {
            "description": "The file. What could act in a browser comes as `application/octet-stream`.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        302: {"description": "The file is to be fetched from the bucket, within a minute."},
        **declared(404),
        **UNCHANGED,
    },
)
def get_output(request: Request, site: Here, run: OpenRun, path: str) -> Response:
    """One file that the notebook wrote."""
    found = next((each for each in run.manifest.outputs if each.path == path), None)
    if found is None:
        raise HTTPException(404, f"run {run.run_id} has no such output")
    tag = f'"{found.sha256}"' if found.sha256.isalnum() and found.sha256.isascii() else None
    if tag is not None and is_known(request, tag):
        return Response(None, 304, {**headers.FILE, "ETag": tag})
    signed = site.world.settings.downloads == "signed" and found.size >= SIGNED_FROM_BYTES
    answered = run.download(found.key, found.media_type, PurePosixPath(path).name, signed)
    if tag is not None:
        answered.headers["ETag"] = tag
    return answered


def _waiting_part(wanted: Wanted) -> Wanted | None:
    """The same filter for runs without a record, which are all queued; None where none of them fits."""
    if wanted.after is not None or wanted.where.state not in (None, State.QUEUED):
        return None
    return replace(wanted, where=replace(wanted.where, state=None))
