"""The buttons of a run's page: cancel, run again, pin and unpin."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from daybook.contract.errors import InvalidRequest, NotAllowed
from daybook.contract.keys import asked_at
from daybook.contract.repeating import given_values
from daybook.storage import Pin, pin_run, unpin_run
from daybook.web import headers
from daybook.web.asking import Wish, ask
from daybook.web.pages.run import show
from daybook.web.runs import OpenRun, Run, SeenRun, Waiting, is_ended_with_its_dag_run
from daybook.web.site import Here, Site, User
from daybook.web.tokens.csrf import SafePost
from daybook.web.world import Asked, Conflict

router = APIRouter()


@router.post("/runs/{workspace}/{run_id}/cancel")
async def cancel(request: Request, site: Here, user: User, run: SeenRun, _: SafePost) -> Response:
    """Has Airflow end the run."""
    try:
        await site.world.cancel(request, user, asked_of(run))
    except NotAllowed as error:
        return await run_in_threadpool(show, site, user, run, str(error), 403)
    except (InvalidRequest, Conflict) as error:
        return await run_in_threadpool(show, site, user, run, f"The run cannot be cancelled: {error}", 409)
    return _to(site, run.workspace.name, run.run_id)


@router.post("/runs/{workspace}/{run_id}/again")
async def again(request: Request, site: Here, user: User, run: OpenRun, posted: SafePost) -> Response:
    """Asks for a run with the same values in the same workspace; it passes the checks that any request does."""
    try:
        key = posted.same_as(user.user, run.workspace.name, run.run_id)
        _checked, asked = await ask(site, request, user, wish_again(run), key)
    except NotAllowed as error:
        return await run_in_threadpool(show, site, user, run, str(error), 403)
    except InvalidRequest as error:
        return await run_in_threadpool(show, site, user, run, str(error), 422)
    except Conflict as error:
        return await run_in_threadpool(show, site, user, run, f"The run cannot be made again: {error}", 409)
    return _to(site, asked.workspace, asked.run_id)


@router.post("/runs/{workspace}/{run_id}/pin")
def pin(site: Here, user: User, run: OpenRun, _: SafePost) -> Response:
    """Keeps the run from retention."""
    try:
        pin_run(run.record, Pin(by=user.user, at=datetime.now(UTC).isoformat(timespec="seconds")))
    except InvalidRequest as error:
        return show(site, user, run, str(error), 409)
    return _to(site, run.workspace.name, run.run_id)


@router.post("/runs/{workspace}/{run_id}/unpin")
def unpin(site: Here, run: OpenRun, _: SafePost) -> Response:
    """Leaves the run to retention again."""
    unpin_run(run.record)
    return _to(site, run.workspace.name, run.run_id)


def wish_again(run: Run) -> Wish:
    """What makes a run again: its values and the settings that were chosen for it, in the same workspace.

    Raises:
        InvalidRequest: its record does not hold all values.
    """
    m = run.manifest
    return Wish(m.notebook.id, given_values(m), "json", run.workspace.name, m.settings)


def asked_of(run: Run | Waiting) -> Asked:
    """What Airflow knows a run as.

    Raises:
        Conflict: it is over, or no DAG run is its own.
    """
    if isinstance(run, Waiting):
        return run.asked
    m = run.manifest
    if m.sealed:
        raise Conflict(f"it is over: {m.state}")
    if m.airflow is None:
        raise Conflict("it was not started by Airflow; end the process that runs it")
    if not is_ended_with_its_dag_run(m):
        raise Conflict(f"it is a task of the DAG {m.airflow.dag_id}, which may do other work too; end it in Airflow")
    return Asked(
        run_id=m.run_id,
        notebook=m.notebook.id,
        workspace=run.workspace.name,
        user=m.user,
        asked_at=asked_at(m.run_id),
        dag_id=m.airflow.dag_id,
        dag_run_id=m.airflow.run_id,
        state="running",
    )


def _to(site: Site, workspace: str, run_id: str) -> Response:
    marks = {**headers.FILE, "Cache-Control": "no-store"}
    return RedirectResponse(f"{site.world.settings.mount}/runs/{workspace}/{run_id}", 303, headers=marks)
