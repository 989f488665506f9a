"""The JSON API: the notebooks that somebody may run, and running them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from daybook.catalogue import Notebook
from daybook.catalogue.inputs import json_schema
from daybook.catalogue.run_settings import CHOOSABLE
from daybook.contract.errors import InvalidRequest
from daybook.web.api.answering import (
    CHANGING,
    UNCHANGED,
    Deliberate,
    IdempotencyKey,
    answer,
    answer_tagged,
    base_of,
    declared,
    links_of_notebook,
)
from daybook.web.api.documents import of_asked, of_seen
from daybook.web.api.models import (
    CheckedRequest,
    NotebookDocument,
    NotebookList,
    NotebookSummary,
    RunDocument,
    RunRequestBody,
)
from daybook.web.asking import NOTEBOOKS_PATH, Wish, ask, check, may_run, runnable_in, visible_notebook
from daybook.web.finding import MAX_CHARACTERS, Words
from daybook.web.runs import recorded
from daybook.web.site import Here, Site, User
from daybook.web.world import Asked
from daybook.workspaces import Identity

router = APIRouter(tags=["notebooks"])

MAX_LIMIT = 200
"""Notebooks or runs on one page."""
MAX_OFFSET = 1_000_000


def open_notebook(site: Here, user: User, notebook_id: str) -> Notebook:
    """The notebook of a path, where whoever asks may run it; the answer is the same for one that there is not."""
    try:
        return visible_notebook(site, user, notebook_id)
    except InvalidRequest as error:
        raise HTTPException(404, str(error)) from error


OpenNotebook = Annotated[Notebook, Depends(open_notebook)]


@router.get(NOTEBOOKS_PATH, response_model=NotebookList, responses=declared(422) | UNCHANGED)
def list_notebooks(
    request: Request,
    site: Here,
    user: User,
    q: Annotated[
        str, Query(max_length=MAX_CHARACTERS, description="Words that stand in its id, title, description or tags.")
    ] = "",
    workspace: Annotated[str | None, Query(max_length=63, description="Only those that may run there.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many at most.")] = 50,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET, description="How many to leave out.")] = 0,
) -> Response:
    """Notebooks that you may run, in the order of the catalogue."""
    places = [each for each in site.workspaces_of(user) if workspace in (None, each.name)]
    words = Words(q)
    found = [
        each
        for each in site.world.catalogue().notebooks.values()
        if words.are_in(each) and any(may_run(user, place, each) for place in places)
    ]
    following = None
    if offset + limit < len(found):
        query = {"q": q, "workspace": workspace or "", "limit": limit, "offset": offset + limit}
        text = urlencode({name: value for name, value in query.items() if value != ""})
        following = f"{base_of(site)}{NOTEBOOKS_PATH}?{text}"
    shown = [NotebookSummary(**_summary(site, user, each)) for each in found[offset : offset + limit]]
    answered = answer_tagged(request, NotebookList(notebooks=shown, total=len(found), next=following))
    if following is not None:
        answered.headers["Link"] = f'<{following}>; rel="next"'
    return answered


@router.get(
    NOTEBOOKS_PATH + "/{notebook_id}", response_model=NotebookDocument, responses=declared(404, 422) | UNCHANGED
)
def get_notebook(request: Request, site: Here, user: User, notebook: OpenNotebook) -> Response:
    """A notebook, what it takes and how it runs."""
    document = NotebookDocument(
        **_summary(site, user, notebook),
        markdown=notebook.markdown,
        inputs=json_schema(notebook.inputs, open_names=notebook.open_inputs),
        settings=notebook.run.model_dump(mode="json"),
        choosable=list(CHOOSABLE),
        next_run=site.world.next_runs().get(notebook.id),
    )
    return answer_tagged(request, document)


@router.post(
    NOTEBOOKS_PATH + "/{notebook_id}/validate",
    response_model=CheckedRequest,
    responses=declared(404) | CHANGING,
    dependencies=[Deliberate],
)
def validate_request(site: Here, user: User, notebook: OpenNotebook, body: RunRequestBody) -> Response:
    """Checks a request as running it would, and runs nothing."""
    checked = check(site, user, _wish(notebook, body))
    chosen = {name: value for name, value in checked.settings.items() if value is not None}
    return answer(
        CheckedRequest(
            notebook=notebook.id, workspace=checked.workspace.name, parameters=checked.parameters, settings=chosen
        )
    )


@router.post(
    NOTEBOOKS_PATH + "/{notebook_id}/runs",
    status_code=202,
    response_model=RunDocument,
    responses={
        200: {"model": RunDocument, "description": "The run that the same key has started before."},
        **declared(404, 409, 429),
        **CHANGING,
    },
    dependencies=[Deliberate],
)
async def run_notebook(
    request: Request,
    site: Here,
    user: User,
    notebook: OpenNotebook,
    body: RunRequestBody,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Has Airflow run a notebook; `Location` names the run."""
    _, asked = await ask(site, request, user, _wish(notebook, body), idempotency_key)
    return await run_in_threadpool(answer_asked, site, asked)


def answer_asked(site: Site, asked: Asked) -> Response:
    """What is told of a run that Airflow has taken, now or before."""
    found = None if asked.is_new else recorded(site, site.world.workspaces().get(asked.workspace), asked.run_id)
    document = of_asked(site, asked) if found is None else of_seen(site, found)
    return answer(document, 202 if asked.is_new else 200, {"Location": document.links.self})


def _wish(notebook: Notebook, body: RunRequestBody) -> Wish:
    return Wish(notebook.id, body.parameters, "json", body.workspace, body.settings)


def _summary(site: Site, user: Identity, notebook: Notebook) -> dict[str, object]:
    return {
        "id": notebook.id,
        "title": notebook.title,
        "description": notebook.description,
        "collections": list(notebook.collections),
        "tags": list(notebook.tags),
        "workspaces": [each.name for each in runnable_in(site, user, notebook)],
        "links": links_of_notebook(site, notebook.id),
    }
