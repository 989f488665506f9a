"""The OpenAPI document: published as it is, whole, and of the API alone."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from daybook.web.api.schema import openapi_schema
from daybook.web.app import create_app
from daybook.web.settings import WebSettings
from daybook.web.world import World

pytestmark = pytest.mark.anyio

FILE = Path(__file__).parents[2] / "docs" / "schemas" / "openapi.json"
DOCUMENT = openapi_schema(create_app(World(*[None] * 5, key=b"k")), WebSettings().mount)
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]


def test_the_published_document_is_current():
    """Write it anew with `json.dumps(DOCUMENT, indent=2)`."""
    assert json.loads(FILE.read_text()) == json.loads(json.dumps(DOCUMENT))


async def test_it_is_served_to_everybody(client):
    answer = await client.get("/openapi.json", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.json()["paths"].keys() == DOCUMENT["paths"].keys()


def test_it_holds_no_pages():
    assert {path.split("/")[1] for path in DOCUMENT["paths"]} == {"api", "health", "metrics"}


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_operation_says_what_it_does_who_may_and_how_it_fails(path, method):
    operation = DOCUMENT["paths"][path][method]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    is_open = path.startswith("/health/")
    assert operation["security"] == ([] if is_open else [{"bearer": []}, {"cookie": []}])
    answers = operation["responses"]
    assert is_open or "401" in answers
    for status, answer in answers.items():
        if status >= "400" and not (is_open and status == "503"):
            assert list(answer["content"]) == ["application/problem+json"], status
    for given in operation.get("parameters", ()):
        assert given["in"] == "path" or given["description"], given["name"]


def test_every_reference_leads_somewhere():
    text = json.dumps(DOCUMENT)
    names = {each.split('"')[0] for each in text.split("#/components/schemas/")[1:]}
    assert names <= DOCUMENT["components"]["schemas"].keys()
    assert "HTTPValidationError" not in text


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_model_is_a_schema(name):
    Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


def test_operations_have_names_of_their_own():
    names = [DOCUMENT["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(names) == len(set(names))
