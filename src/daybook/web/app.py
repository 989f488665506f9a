"""The FastAPI app: pages and API of notebooks and runs, for members of their workspaces only."""

from __future__ import annotations

from fastapi import FastAPI

from daybook.web.api import events, health, metrics, notebooks, runs
from daybook.web.bodies import BodyLimit
from daybook.web.faults import handle_errors
from daybook.web.history import History
from daybook.web.live.watching import Watchers
from daybook.web.pages import catalogue, compare, form, history, in_airflow, run, run_deeds, run_files, static
from daybook.web.rendering import make_templates
from daybook.web.site import Site
from daybook.web.tokens.csrf import Csrf
from daybook.web.world import World

ROUTERS = (
    *(each.router for each in (notebooks, runs, events, health, metrics)),
    *(each.router for each in (catalogue, form, compare, history, in_airflow, run, run_files, run_deeds, static)),
)


def create_app(world: World) -> FastAPI:
    """The app to be mounted; everything outside it comes through `world`."""
    app = FastAPI(title="Daybook", docs_url=None, redoc_url=None, openapi_url=None)
    history = History(world.state, world.bucket)
    app.state.site = Site(world, make_templates(), history, Watchers(), Csrf(world.key))
    handle_errors(app, world)
    app.add_middleware(BodyLimit)
    for router in ROUTERS:
        app.include_router(router)
    return app
