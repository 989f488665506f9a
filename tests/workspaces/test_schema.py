"""The published schema is current, and what the page on workspaces shows keeps to it and is read."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from daybook.workspaces.file import parse_workspaces
from daybook.workspaces.workspace import Workspace, workspaces_schema

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "workspaces.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(workspaces:.*?)```", PAGE, re.DOTALL)


def test_the_published_schema_is_current():
    """Write it anew with `python -m json.tool` of what the function gives."""
    assert json.loads((DOCS / "schemas" / "workspaces.schema.json").read_text()) == workspaces_schema()


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_read_and_keeps_to_the_schema(example):
    parse_workspaces(example, Path("workspaces.yaml"))
    Draft202012Validator(workspaces_schema()).validate(yaml.safe_load(example))


def test_there_are_examples():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("field", Workspace.model_fields)
def test_every_field_is_explained(field):
    assert f"`{field}`" in PAGE or f"{field}:" in PAGE


def test_members_in_short_fit_the_schema_and_nobody_does_not():
    def fits(members):
        document = {"workspaces": [{"name": "a", "bucket": "b", **members}]}
        return Draft202012Validator(workspaces_schema()).is_valid(document)

    assert fits({"members": ["ada"]})
    assert fits({"members": {"groups": ["g"]}})
    assert not fits({"members": "ada"})
    assert not fits({})
