"""A world for the tests of the API: notebooks, and an Airflow that writes down what it is asked for."""

import dataclasses
from typing import Any

import httpx

from builders import ASKED_AT, a_run_id
from daybook.web.app import create_app
from daybook.web.world import Asked, Conflict, World
from web_notebooks import a_catalogue, a_notebook

HERE = "http://daybook.test"
NEW = a_run_id("flights_delays", ASKED_AT, "new")
FLIGHTS = a_notebook(
    "flights_delays",
    {
        "origin": {"type": "enum", "choices": ["JFK", "LGA"], "default": "JFK"},
        "minimum_delay": {"type": "integer", "minimum": 0, "default": 15},
        "day": {"type": "date", "required": False},
    },
    title="Delays of flights",
    description="How late they are.",
    tags=["aviation"],
)
SECRET = a_notebook("secret", workspaces=["closed"])


@dataclasses.dataclass
class Airflow:
    """Keeps runs by idempotency key, as the port does."""

    orders: list[Any] = dataclasses.field(default_factory=list)
    deeds: list[Any] = dataclasses.field(default_factory=list)
    ended: list[str] = dataclasses.field(default_factory=list)
    held: list[Asked] = dataclasses.field(default_factory=list)
    says: Exception | None = None
    keys: dict[Any, Any] = dataclasses.field(default_factory=dict)

    async def trigger(self, request, user, order):
        if self.says:
            raise self.says
        known = self.keys.get((user.user, order.idempotency)) if order.idempotency else None
        if known is not None:
            if known[0] != order:
                raise Conflict("the idempotency key was used for another request before")
            return dataclasses.replace(known[1], is_new=False)
        run_id = a_run_id(order.notebook, ASKED_AT, str(len(self.orders)))
        self.orders.append(order)
        made = Asked(
            run_id, order.notebook, order.workspace, user.user, ASKED_AT, order.notebook, "manual__2", "queued"
        )
        self.held.append(made)
        self.keys[user.user, order.idempotency] = (order, made)
        return made

    async def cancel(self, request, user, asked):
        if self.says:
            raise self.says
        self.ended.append(asked.run_id)

    async def spark(self, request, user, deed):
        if self.says:
            raise self.says
        self.deeds.append((user.user, deed.workspace, deed.action))

    def waiting(self, workspace):
        return [each for each in self.held if each.workspace == workspace.name]


def ports_of(waiting: Any) -> dict[str, Any]:
    """The world's ports `waiting` and `waiting_run`, of what tells which runs of a workspace wait."""

    def waiting_run(workspace: Any, run_id: str) -> Asked | None:
        return next((each for each in waiting(workspace) if each.run_id == run_id), None)

    return {"waiting": waiting, "waiting_run": waiting_run}


def with_airflow(world: World, airflow: Airflow, *notebooks: Any, **changes: Any) -> World:
    """The world, with notebooks and that Airflow."""
    found = a_catalogue(*(notebooks or (FLIGHTS, SECRET)))
    return dataclasses.replace(
        world,
        catalogue=lambda: found,
        trigger=airflow.trigger,
        cancel=airflow.cancel,
        spark=airflow.spark,
        **{**ports_of(airflow.waiting), **changes},
    )


def program(world: World, user: str | None = "bob", **headers: str) -> httpx.AsyncClient:
    """A program of somebody's."""
    marks = {"Authorization": f"Bearer {user}"} if user else {}
    transport = httpx.ASGITransport(create_app(world), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=HERE, headers={**marks, **headers})
