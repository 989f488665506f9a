"""The JSON API: what may be done with a run."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from daybook.contract.errors import InvalidRequest
from daybook.storage import Pin, pin_run, unpin_run
from daybook.web import headers
from daybook.web.api.answering import CHANGING, Deliberate, IdempotencyKey, answer, declared
from daybook.web.api.documents import of_seen
from daybook.web.api.models import PinBody, PinDocument, RunDocument
from daybook.web.api.notebooks import answer_asked
from daybook.web.api.runs import RUN_PATH
from daybook.web.asking import ask
from daybook.web.pages.run_deeds import asked_of, wish_again
from daybook.web.runs import OpenRun, SeenRun
from daybook.web.site import Here, User
from daybook.web.world import Conflict

router = APIRouter(tags=["runs"], dependencies=[Deliberate])


@router.post(RUN_PATH + "/cancel", status_code=202, response_model=RunDocument, responses=declared(404, 409) | CHANGING)
async def cancel_run(request: Request, site: Here, user: User, run: SeenRun) -> Response:
    """Has Airflow end a run; what it has done so far stays."""
    await site.world.cancel(request, user, asked_of(run))
    document = await run_in_threadpool(of_seen, site, run)
    return answer(document, 202, {"Location": document.links.self})


@router.post(
    RUN_PATH + "/rerun",
    status_code=202,
    response_model=RunDocument,
    responses={
        200: {"model": RunDocument, "description": "The run that the same key has started before."},
        **declared(404, 409, 429),
        **CHANGING,
    },
)
async def rerun(
    request: Request, site: Here, user: User, run: OpenRun, idempotency_key: IdempotencyKey = None
) -> Response:
    """Asks for a run with the same values and settings in the same workspace, by the checks that any request passes."""
    _, asked = await ask(site, request, user, wish_again(run), idempotency_key)
    return await run_in_threadpool(answer_asked, site, asked)


@router.put(RUN_PATH + "/pin", response_model=PinDocument, responses=declared(404, 409) | CHANGING)
def pin(user: User, run: OpenRun, body: PinBody | None = None) -> Response:
    """Has retention leave a run alone."""
    made = Pin(by=user.user, at=datetime.now(UTC).isoformat(timespec="seconds"), why=body.why if body else None)
    try:
        pin_run(run.record, made)
    except InvalidRequest as error:
        raise Conflict(str(error)) from error
    return answer(PinDocument(**made.model_dump()))


@router.delete(RUN_PATH + "/pin", status_code=204, response_class=Response, responses=declared(404) | CHANGING)
def unpin(run: OpenRun) -> Response:
    """Leaves a run to retention again; one that is not pinned is fine."""
    unpin_run(run.record)
    return Response(None, 204, headers.FILE)
