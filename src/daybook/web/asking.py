"""From what a form, a link or a program gives to a run that is asked for: checked whole, before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from daybook.catalogue import WORKSPACE, Notebook, conf_of
from daybook.catalogue.inputs import Source
from daybook.contract.errors import Fault, Faulty, InvalidRequest, NotAllowed
from daybook.contract.request import require_travels_with
from daybook.web.site import Site
from daybook.web.tokens.bearer import is_bearer
from daybook.web.world import Asked, Order
from daybook.workspaces import Identity, Workspace, require_access, require_within

NOTEBOOKS_PATH = "/api/v1/notebooks"
"""Where programs find notebooks, and post what they want to run, below the pages' mount."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to run.

    Attributes:
        notebook: the notebook's id.
        values: values by input name.
        source: how they are spelled.
        workspace: where; None leaves it to the notebook, or to the only workspace that the user has.
        settings: the run's settings that were chosen, by name; see `Notebook.with_settings`.
    """

    notebook: str
    values: Mapping[str, Any]
    source: Source = "json"
    workspace: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """A wish that can be run.

    Attributes:
        notebook: with the settings that were chosen.
        workspace: where.
        parameters: typed, with defaults.
        settings: the run's settings that were chosen.
    """

    notebook: Notebook
    workspace: Workspace
    parameters: dict[str, JsonValue]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def order(self, idempotency: str | None = None) -> Order:
        """What Airflow is asked for."""
        conf = conf_of(self.parameters, self.workspace.name, self.settings)
        return Order(self.notebook.id, self.workspace.name, conf, idempotency)


def check(site: Site, user: Identity, wish: Wish) -> Checked:
    """Checks a wish.

    Raises:
        InvalidRequest: it cannot be run as it is; every fault is named at once.
        NotAllowed: this user may not run it there. Whoever may not even see the notebook gets the same answer as for
            one that does not exist.
    """
    notebook = visible_notebook(site, user, wish.notebook)
    faults: list[Fault] = []
    parameters: dict[str, JsonValue] = {}
    workspace = None
    try:
        parameters = notebook.resolve(wish.values, wish.source)
        require_travels_with(parameters)
    except InvalidRequest as error:
        faults += error.faults
    try:
        notebook = notebook.with_settings(wish.settings)
    except InvalidRequest as error:
        faults += error.faults
    try:
        workspace = choose_workspace(site, user, notebook, wish.workspace)
        require_within(workspace, notebook.run)
    except InvalidRequest as error:
        faults += error.faults or [Fault(WORKSPACE, error.summary)]
    if faults or workspace is None:
        raise InvalidRequest(f"Notebook '{notebook.id}' cannot run like this", faults)
    return Checked(notebook, workspace, parameters, wish.settings)


async def ask(
    site: Site, request: Request, user: Identity, wish: Wish, idempotency: str | None = None
) -> tuple[Checked, Asked]:
    """Checks a wish, and has Airflow take it.

    Raises:
        InvalidRequest, NotAllowed: as `check` does.
        Conflict: the idempotency key was used for something else.
        TooManyRuns: this user has asked for as many runs as one may in a minute.
    """
    checked = await run_in_threadpool(check, site, user, wish)
    return checked, await order(site, request, user, checked, idempotency)


async def order(
    site: Site, request: Request, user: Identity, checked: Checked, idempotency: str | None = None
) -> Asked:
    """Has Airflow take what was checked.

    Raises:
        TooManyRuns: this user has asked for as many runs as one may in a minute.
        InvalidRequest, NotAllowed, Conflict: as `World.trigger` does.
    """
    site.rates.take(user.user)
    return await site.world.trigger(request, user, checked.order(idempotency))


def wants_request(request: Request) -> bool:
    """Whether a program with a token of its own follows a link, and wants to be told what it means."""
    accepted = request.headers.get("accept", "")
    return is_bearer(request) and "application/json" in accepted and "text/html" not in accepted


def request_of(checked: Checked, site: Site) -> dict[str, Any]:
    """What a link means: the request it would make, and how to make it. Nothing is run by looking at a link."""
    body = {
        "workspace": checked.workspace.name,
        "parameters": checked.parameters,
        "settings": {name: value for name, value in checked.settings.items() if value is not None},
    }
    settings = site.world.settings
    url = f"{settings.public_url}{settings.mount}{NOTEBOOKS_PATH}/{quote(checked.notebook.id)}/runs"
    return {
        "request": {"notebook": checked.notebook.id, **body},
        "run": {"method": "POST", "url": url, "media_type": "application/json", "body": body},
    }


def visible_notebook(site: Site, user: Identity, notebook_id: str) -> Notebook:
    """A notebook that somebody may run somewhere.

    Raises:
        InvalidRequest: there is none, or none for this user: the answer is the same.
    """
    found = site.world.catalogue().notebooks.get(notebook_id)
    if found is None or not runnable_in(site, user, found):
        raise InvalidRequest("there is no such notebook, or you may not run it")
    return found


def runnable_in(site: Site, user: Identity, notebook: Notebook) -> list[Workspace]:
    """The workspaces in which somebody may run a notebook."""
    return [each for each in site.workspaces_of(user) if may_run(user, each, notebook)]


def choose_workspace(site: Site, user: Identity, notebook: Notebook, name: str | None) -> Workspace:
    """The workspace of a run: the one that is named, else the only one there is for this user.

    Raises:
        InvalidRequest: several would do, and none is named; or the named one will not do.
    """
    fitting = runnable_in(site, user, notebook)
    if name is None and len(fitting) == 1:
        return fitting[0]
    names = ", ".join(each.name for each in fitting)
    if name is None:
        raise InvalidRequest("no workspace", [Fault(WORKSPACE, f"choose one of: {names}")])
    for each in fitting:
        if each.name == name:
            return each
    raise NotAllowed(
        "not allowed", [Fault(WORKSPACE, f"is none that you may run this notebook in; choose of: {names}")]
    )


def may_run(user: Identity, workspace: Workspace, notebook: Notebook) -> bool:
    """Whether somebody may run a notebook in a workspace."""
    try:
        require_access(user, workspace, notebook)
    except Faulty:
        return False
    return True
