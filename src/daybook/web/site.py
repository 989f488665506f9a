"""What the routes share: the world, the templates, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from daybook.web import headers
from daybook.web.counting import RunCounts
from daybook.web.history import History
from daybook.web.live.watching import Watchers
from daybook.web.measuring import RequestMetrics
from daybook.web.rates import RunRates
from daybook.web.readiness import Readiness
from daybook.web.spark import SparkLook
from daybook.web.static import VERSION
from daybook.web.world import World
from daybook.workspaces import Identity, Workspace, may_see

if TYPE_CHECKING:
    from daybook.web.tokens.csrf import Csrf  # which needs to know what a site is


@dataclass(frozen=True)
class Site:
    """Made once by `create_app`; routes get it as `Here`.

    Attributes:
        world: the ports to the outside.
        templates: the pages' templates.
        history: what is known of all runs without reading their records.
        live: the runs that somebody watches.
        csrf: makes and knows the tokens in forms.
        rates: how often each user may ask for a run.
        spark: looks at the workspaces' Spark servers.
        readiness: whether what Daybook needs is there.
        requests: counts what the app answers.
        run_counts: numbers of the runs of all workspaces.
    """

    world: World
    templates: Environment
    history: History
    live: Watchers
    csrf: Csrf
    rates: RunRates
    readiness: Readiness
    spark: SparkLook
    requests: RequestMetrics
    run_counts: RunCounts

    def page(self, template: str, status: int = 200, **context: object) -> HTMLResponse:
        """A page of ours; `here` and `user` are for the head that all pages share."""
        shared: dict[str, object] = {"mount": self.world.settings.mount, "version": VERSION, "here": None, "user": None}
        text = self.templates.get_template(template).render({**shared, **context})
        return HTMLResponse(text, status, headers=headers.PAGE)

    def workspaces_of(self, user: Identity) -> list[Workspace]:
        """The workspaces that somebody may look at, in the order of the file."""
        return [each for each in self.world.workspaces() if may_see(user, each)]


def site_of(request: Request) -> Site:
    """The site that the app was made with."""
    return cast("Site", request.app.state.site)


async def user_of(request: Request) -> Identity:
    """Who asks."""
    return await site_of(request).world.user(request)


Here = Annotated[Site, Depends(site_of)]
User = Annotated[Identity, Depends(user_of)]
