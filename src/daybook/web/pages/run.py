"""A run's page."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from daybook.web.pages.run_view import view_of, view_of_waiting
from daybook.web.previews import preview_of
from daybook.web.runs import OpenRun, Run, SeenRun, Waiting
from daybook.web.site import Here, Site, User
from daybook.workspaces import Identity

router = APIRouter()


@router.get("/runs/{workspace}/{run_id}")
def page(site: Here, user: User, run: SeenRun, refresh: str = "on") -> Response:
    """The run as it is now."""
    return show(site, user, run, is_followed=refresh != "off")


@router.get("/runs/{workspace}/{run_id}/preview/{path:path}")
def preview(site: Here, user: User, run: OpenRun, path: str) -> Response:
    """The first rows of an output."""
    output = next((each for each in run.manifest.outputs if each.path == path), None)
    table = preview_of(run.record.store, output) if output is not None else None
    if table is None:
        raise HTTPException(404, f"run {run.run_id} has no table {path!r}")
    return site.page("preview.html", run=run, output=output, table=table, user=user.user, here="runs")


def show(
    site: Site,
    user: Identity,
    run: Run | Waiting,
    notice: str | None = None,
    status: int = 200,
    is_followed: bool = True,
) -> Response:
    """A run's page.

    Args:
        site: the site.
        user: who looks.
        run: at what.
        notice: what became of something that was asked for on it.
        status: the answer's.
        is_followed: whether it follows the run as it goes on.
    """
    keys = {"csrf": site.csrf.token(user), "once": secrets.token_hex(16)}
    shared = {"user": user.user, "here": "runs", "notice": notice, **keys}
    if isinstance(run, Waiting):
        view, title = view_of_waiting(site, run, is_followed), site.title_of(run.asked.notebook)
        return site.page("waiting.html", status, v=view, asked=run.asked, title=title, **shared)
    site.history.note(run.workspace, run.manifest)
    return site.page("run.html", status, v=view_of(site, user, run, is_followed), run=run, m=run.manifest, **shared)
