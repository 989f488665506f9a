"""The published schemas are current, and what the runner writes keeps to them."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from builders import a_manifest, a_request
from daybook.contract.manifest import Reason, State, manifest_schema
from daybook.contract.request import request_schema

DOCS = Path(__file__).parents[2] / "docs"
SCHEMAS = {"manifest": manifest_schema, "request": request_schema}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_published_schema_is_current(name):
    """Write it anew with `python -m json.tool` of what the function gives."""
    assert json.loads((DOCS / "schemas" / f"{name}.schema.json").read_text()) == SCHEMAS[name]()


def test_documents_keep_to_their_schemas():
    Draft202012Validator(manifest_schema()).validate(json.loads(a_manifest().to_json()))
    Draft202012Validator(request_schema()).validate(json.loads(a_request().to_json()))


@pytest.mark.parametrize("word", [*State, *Reason])
def test_every_state_and_reason_is_explained(word):
    assert f"`{word}`" in (DOCS / "manifest.md").read_text()
