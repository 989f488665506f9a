"""Requests made from the OpenAPI document, good and bad: none is answered by a 500, or by what is not declared."""

import itertools

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from builders import RUN_ID, a_manifest, an_output
from daybook.storage import record_of
from daybook.web.api.schema import openapi_schema
from daybook.web.app import create_app
from daybook.web.settings import WebSettings
from daybook.web.world import NotLoggedIn, World
from daybook.workspaces import Identity
from web_api import Airflow, with_airflow

CASES = 8
"""Of each mode for each operation, twice: the whole API is gone through in half a minute on two idle cores."""
BOB = {"Authorization": "Bearer bob"}
THERE = {"workspace": "open", "run_id": RUN_ID, "notebook_id": "flights_delays", "path": "delays.csv"}

DOCUMENT = openapi_schema(create_app(World(*[None] * 5, key=b"k")), "/")
OPERATIONS = [(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods]

bounded = settings(
    max_examples=CASES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


async def _bob(request):
    if request.headers.get("authorization") != BOB["Authorization"]:
        raise NotLoggedIn("no token of Bob's")
    return Identity("bob")


@pytest.fixture
def api(world, bucket):
    record = record_of(bucket, RUN_ID)
    record.write(a_manifest(outputs=(an_output(),)))
    record.store.write(an_output().key, b"abc")
    here = with_airflow(world, Airflow(), user=_bob, settings=WebSettings(mount="", runs_per_minute=10))
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(here))


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_declared(api, method, path):
    operation = api[path][method.upper()]
    takes_something = "parameters" in DOCUMENT["paths"][path][method]
    modes = list(GenerationMode) if takes_something else [GenerationMode.POSITIVE]
    for places, mode in itertools.product(({}, THERE), modes):
        _try(operation.as_strategy(generation_mode=mode), places)


def _try(cases, places):
    @bounded
    @given(case=cases)
    def answers(case):
        if case.path_parameters:
            case.path_parameters = {name: places.get(name, value) for name, value in case.path_parameters.items()}
        # What a notebook takes, and whose workspace is whose, no schema of the API can say.
        case.call_and_validate(headers=BOB, excluded_checks=[positive_data_acceptance])

    answers()
