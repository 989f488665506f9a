"""The FastAPI app: pages and API of notebooks and runs, for members of their workspaces only."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from daybook.web.api import events, health, metrics, notebooks, run_deeds, runs, schema, spark
from daybook.web.bodies import BodyLimit
from daybook.web.compressing import Compressing
from daybook.web.counting import RunCounts
from daybook.web.faults import handle_errors
from daybook.web.heads import Heads
from daybook.web.history import History
from daybook.web.live.watching import Watchers
from daybook.web.marking import Marking
from daybook.web.measuring import Measuring, RequestMetrics
from daybook.web.pages import catalogue, compare, form, history, in_airflow, run, run_files, static
from daybook.web.pages import run_deeds as buttons
from daybook.web.pages import spark as spark_page
from daybook.web.rates import RunRates
from daybook.web.readiness import Readiness
from daybook.web.rendering import make_templates
from daybook.web.site import Site
from daybook.web.spark import SparkLook
from daybook.web.tokens.csrf import Csrf
from daybook.web.world import World

# What lies below `/batches` and `/api/v1/batches` is kept for batches, which there are not yet: docs/web.md.
ROUTERS = (
    *(each.router for each in (notebooks, runs, run_deeds, spark, events, health, metrics, schema)),
    *(each.router for each in (catalogue, form, compare, history, in_airflow, run, run_files, buttons)),
    *(each.router for each in (spark_page, static)),
)


def create_app(world: World) -> FastAPI:
    """The app to be mounted; everything outside it comes through `world`."""
    app = FastAPI(title="Daybook", docs_url=None, redoc_url=None, openapi_url=None)
    history_of_runs = History(world.state, world.bucket)
    site = app.state.site = Site(
        world=world,
        templates=make_templates(),
        history=history_of_runs,
        live=Watchers(),
        csrf=Csrf(world.key),
        rates=RunRates(world.settings.runs_per_minute),
        readiness=Readiness(world),
        spark=SparkLook(world),
        requests=RequestMetrics(),
        run_counts=RunCounts(world, history_of_runs),
    )
    handle_errors(app, world)
    # The last one added stands before the others.
    app.add_middleware(BodyLimit)
    app.add_middleware(Marking)
    app.add_middleware(Compressing)
    app.add_middleware(Heads)
    app.add_middleware(Measuring, metrics=site.requests)
    app.router.routes.extend(_routes())
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """All routes; what they take is worked out once, however many apps are made."""
    together = APIRouter(generate_unique_id_function=lambda route: route.name)
    for router in ROUTERS:
        together.include_router(router)
    return tuple(together.routes)
