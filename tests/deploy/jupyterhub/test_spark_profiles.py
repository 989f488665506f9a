"""The Hub's profiles with Spark: for members of the workspace alone, with its address and its key's Secret."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pytest
import yaml
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from traitlets.config import Config

from daybook.contract import variables
from daybook.contract.keys import WORKSPACE_LABEL
from daybook.contract.spark_pod import SPARK_KEY
from deploy.jupyterhub.conftest import CONFIGURATION, free_port, serving
from deploy.rendered import render

pytestmark = pytest.mark.anyio
FOLDER = CONFIGURATION.parent
VALUES = yaml.safe_load((FOLDER / "values.yaml").read_text())
BASE = VALUES["singleuser"]["profileList"]
MEMBERS = {"ada": ["flights", "earth"], "bob": ["earth"]}


@pytest.fixture(scope="module")
def daybook_spark():
    """The module, as the Hub loads it: beside the other one."""
    for name in ("daybook_hub", "daybook_spark"):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return module


class Spawner:
    """A spawner, as far as it is asked."""

    def __init__(self, token: str | None) -> None:
        self.user = self
        self.token = token

    async def get_auth_state(self):
        return {"access_token": self.token} if self.token else None


class Daybook:
    """Tells each person's workspaces."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.status, self.body = 200, None
        self.app = FastAPI()
        self.app.get("/api/v1/spark")(self.route)

    def route(self, request: Request) -> Response:
        mine = MEMBERS.get(request.headers["authorization"].removeprefix("Bearer "), [])
        found = {"workspaces": [{"workspace": each, "kind": "remote", "remote": "sc://evil:1"} for each in mine]}
        return JSONResponse(found if self.body is None else self.body, self.status)


@pytest.fixture(scope="module")
def served():
    daybook = Daybook()
    with serving(daybook.app, daybook.port):
        yield daybook


@pytest.fixture
def daybook(served):
    served.status, served.body = 200, None
    return served


@pytest.fixture
def profiles(daybook_spark, daybook):
    flights = daybook_spark.Spark("sc://spark.daybook-flights.svc.cluster.local:15002", "daybook-spark-flights")
    return daybook_spark.Profiles(daybook.url, BASE, {"flights": flights})


async def test_members_alone_find_a_profile_with_their_workspaces_spark(profiles):
    base, added = await profiles(Spawner("ada"))
    assert base == BASE[0]
    assert added["display_name"] == "Daybook with the Spark of flights"
    assert (added["slug"], added["default"]) == ("daybook-spark-flights", False)
    assert await profiles(Spawner("bob")) == BASE
    assert await profiles(Spawner(None)) == BASE


async def test_such_a_server_is_what_a_run_is_and_no_more(profiles):
    _, added = await profiles(Spawner("ada"))
    given, plain = added["kubespawner_override"], BASE[0]["kubespawner_override"]
    assert {name: value for name, value in given.items() if name not in ("environment", "extra_labels")} == plain
    assert given["extra_labels"] == {WORKSPACE_LABEL: "flights"}
    secret = {"name": "daybook-spark-flights", "key": SPARK_KEY}
    assert given["environment"] == {
        variables.WORKSPACE_VARIABLE: "flights",
        variables.SPARK_REMOTE_VARIABLE: "sc://spark.daybook-flights.svc.cluster.local:15002",
        variables.SPARK_TOKEN_VARIABLE: {"valueFrom": {"secretKeyRef": secret}},
    }


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, None), (500, None), (200, []), (200, {"workspaces": [{}]}), (200, {"workspaces": 1}), (302, None)],
)
async def test_without_daybook_nobody_is_a_member_of_anything(profiles, daybook, status, body):
    daybook.status, daybook.body = status, body
    assert await profiles(Spawner("ada")) == BASE


async def test_a_daybook_that_is_away_keeps_nobody_from_their_server(daybook_spark):
    away = daybook_spark.Profiles(
        f"http://127.0.0.1:{free_port()}", BASE, {"flights": daybook_spark.Spark("sc://a", "b")}
    )
    assert await away(Spawner("ada")) == BASE


def test_the_charts_values_add_them_to_its_own(daybook_spark):
    c = Config()
    c.KubeSpawner.profile_list = BASE  # as the chart leaves it
    exec(compile(VALUES["hub"]["extraConfig"]["daybook_spark"], "extraConfig", "exec"), {"c": c})
    assert isinstance(c.KubeSpawner.profile_list, daybook_spark.Profiles)
    assert sorted(VALUES["hub"]["extraConfig"]) == ["daybook", "daybook_spark"], "the first one says where modules lie"


def test_they_lead_to_the_standing_server_of_the_production_overlay():
    text = VALUES["hub"]["extraConfig"]["daybook_spark"]
    (flights,) = [each for each in render("prod").workspaces if each.name == "flights"]
    assert flights.spark is not None
    assert f'remote="{flights.spark.remote}"' in text
    (rule,) = VALUES["singleuser"]["networkPolicy"]["egress"]
    (target,) = rule["to"]
    namespace = render("prod").one("Namespace", flights.namespace)["metadata"]["labels"]
    assert target["namespaceSelector"]["matchLabels"].items() <= namespace.items()
    pod: dict[str, Any] = render("prod").one("Deployment", "spark", flights.namespace)["spec"]["template"]["metadata"]
    assert target["podSelector"]["matchLabels"].items() <= pod["labels"].items()
