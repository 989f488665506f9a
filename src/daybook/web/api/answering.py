"""What the routes of the API share: their answers, what they declare of them, and who may change something."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Header, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.requests import Request

from daybook.web import headers, problems
from daybook.web.api.models import NotebookLinks, RunLinks
from daybook.web.asking import NOTEBOOKS_PATH
from daybook.web.site import Here, Site, User
from daybook.web.tokens.bearer import is_bearer, is_of_program
from daybook.web.tokens.csrf import is_from_here

RUNS_PATH = "/api/v1/runs"

_DESCRIPTIONS = {
    400: "The request cannot be read.",
    401: "Nobody is vouched for.",
    403: "You may not do this; or it came from another site.",
    404: "There is no such thing, or you may not see it.",
    405: "The method does not fit the path.",
    409: "It cannot be done as things are now.",
    413: "The body is too large.",
    415: "The body must be JSON.",
    422: "What was given is not as it must be; every fault is named.",
    429: "You have asked for too many runs; `Retry-After` says when the next one is taken.",
    500: "Daybook failed.",
    503: "Something that Daybook needs does not answer.",
}


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route answers with, for its declaration."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _DESCRIPTIONS[status], "content": {problems.MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "It is as it was at the `ETag` that you have."}}
CHANGING = declared(400, 403, 413, 415, 422)
"""What routes answer that change something."""


def answer(document: BaseModel, status: int = 200, more: dict[str, str] | None = None) -> Response:
    """A document as an answer."""
    marks = {**headers.FILE, **(more or {})}
    return Response(document.model_dump_json(by_alias=True), status, marks, "application/json")


def answer_tagged(request: Request, document: BaseModel) -> Response:
    """A document with its `ETag`; only that where whoever asks has it already."""
    found = answer(document)
    tag = f'W/"{hashlib.sha256(found.body).hexdigest()[:32]}"'
    if is_known(request, tag):
        return Response(None, 304, {**headers.FILE, "ETag": tag})
    found.headers["ETag"] = tag
    return found


def is_known(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` names a tag; a weak comparison, as RFC 9110 wants it here."""
    given = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return tag.removeprefix("W/") in given or given == ["*"]


async def require_deliberate(request: Request, site: Here, _: User) -> None:
    """Refuses what another site may have had a browser send.

    Raises:
        HTTPException: 403 for such a request, 415 for a body that is no JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Of another site's page a browser asks first (CORS) where it sends JSON or no POST: with a token, that is Airflow's
    # setting to allow.
    is_allowed = is_bearer(request) and (kind == "application/json" or request.method != "POST")
    is_safe = is_of_program(request.headers) or is_from_here(request, site.world.settings.public_url)
    if not is_allowed and not is_safe:
        raise HTTPException(403, "this came from another site, so nothing was done; send a token of your own")
    if kind not in ("", "application/json"):
        raise HTTPException(415, "the body must be application/json")


Deliberate = Depends(require_deliberate)
"""For routes that change something."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same request gives the same run, however often it is sent.",
        examples=["5f0c1f2e-2f7b-4f5e-9a53-0d1f6a3b9c11"],
    ),
]


def base_of(site: Site) -> str:
    """How what we serve is reached."""
    return f"{site.world.settings.public_url}{site.world.settings.mount}"


def links_of_run(site: Site, workspace: str, run_id: str) -> RunLinks:
    """Where a run is found."""
    base, run = base_of(site), f"{quote(workspace)}/{quote(run_id)}"
    here = f"{base}{RUNS_PATH}/{run}"
    return RunLinks(self=here, page=f"{base}/runs/{run}", events=f"{here}/events", outputs=f"{here}/outputs")


def links_of_notebook(site: Site, notebook_id: str) -> NotebookLinks:
    """Where a notebook is found."""
    base, name = base_of(site), quote(notebook_id)
    here = f"{base}{NOTEBOOKS_PATH}/{name}"
    return NotebookLinks(self=here, page=f"{base}/run/{name}", validate_=f"{here}/validate", runs=f"{here}/runs")
