"""From what was given to what the notebook gets."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from daybook.catalogue import Input, input_schema, json_schema, name_fault, resolve, to_query
from daybook.contract.errors import InvalidRequest

FLIGHTS = (
    Input(name="origin", type="enum", choices=["EWR", "JFK", "LGA"], default="JFK"),
    Input(name="month", type="integer", minimum=1, maximum=12),
    Input(name="min_delay", type="number", default=15),
    Input(name="scene", type="url", required=False),
    Input(name="label", type="string", default=None),
)


def test_defaults_are_filled_in_and_what_the_notebook_keeps_is_left_out() -> None:
    assert resolve(FLIGHTS, {"month": 3}) == {"origin": "JFK", "month": 3, "min_delay": 15.0, "label": None}


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        resolve(FLIGHTS, {"origin": "jfk", "min_delay": "5", "mnth": 3, "zzz": 1}, what="Notebook 'flights'")
    told = {fault.where: fault.message for fault in caught.value.faults}
    assert set(told) == {"origin", "month", "min_delay", "mnth", "zzz"}
    assert told["month"].startswith("is required")
    assert "did you mean 'month'?" in told["mnth"]
    assert "its inputs are label, min_delay, month, origin, scene" in told["zzz"]
    assert str(caught.value).startswith("Notebook 'flights' cannot run")


def test_a_notebook_without_inputs_says_so() -> None:
    with pytest.raises(InvalidRequest, match="takes none"):
        resolve([], {"a": 1})


@pytest.mark.parametrize("given", [None, [], "month=3", 5])
def test_parameters_that_are_no_object_are_refused(given: Any) -> None:
    with pytest.raises(InvalidRequest, match="must be an object"):
        resolve(FLIGHTS, given)


def test_null_is_a_value_only_where_the_default_is_null_or_the_notebook_keeps_it() -> None:
    assert resolve(FLIGHTS, {"month": 1, "label": None, "scene": None}) == resolve(FLIGHTS, {"month": 1})
    for name in ("month", "min_delay"):
        with pytest.raises(InvalidRequest, match=r"null|is required"):
            resolve(FLIGHTS, {"month": 1, name: None})


def test_an_empty_form_field_is_not_given_and_an_empty_query_value_is() -> None:
    label = Input(name="label", type="string", default="x")
    assert resolve([label], {"label": [""]}, "form") == {"label": "x"}
    assert resolve([label], {"label": [""]}, "query") == {"label": ""}


def test_a_default_is_the_callers_own_copy() -> None:
    box = Input(name="box", type="bbox", default=[0, 50, 1, 52])
    resolve([box], {})["box"].append(9)  # type: ignore[union-attr]
    assert resolve([box], {})["box"] == [0.0, 50.0, 1.0, 52.0]


def test_open_names_take_any_json_but_no_code() -> None:
    assert resolve([], {"a": {"b": [1]}}, open_names=True) == {"a": {"b": [1]}}
    with pytest.raises(InvalidRequest) as caught:
        resolve([], {"b=0\nprint(1)\nc": 1, "_x": 1, "ok": float("nan")}, open_names=True)
    assert len(caught.value.faults) == 3


def test_defaults_are_kept_in_canonical_form() -> None:
    assert FLIGHTS[2].default == 15.0
    assert isinstance(FLIGHTS[2].default, float)
    when = Input(name="when", type="datetime", default="2013-01-01T00:00Z", example="2013-01-02 00:00Z")
    assert (when.default, when.example) == ("2013-01-01T00:00:00+00:00", "2013-01-02T00:00:00+00:00")


@pytest.mark.parametrize("name", ["a", "A1", "origin", "x" * 64, "workspaces", "match", "type"])
def test_name_is_allowed(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1a",
        "a-b",
        "a b",
        "a.b",
        "é",
        "_a",
        "__init__",
        "daybook_x",
        "Daybook",
        "class",
        "None",
        "x" * 65,
        "workspace",
        "notebook",
        "parameters",
        "a\n",
        "b=0\nprint(1)\nc",
        5,
        None,
    ],
)
def test_name_is_refused(name: Any) -> None:
    assert name_fault(name)
    with pytest.raises(ValidationError):
        Input(name=name, type="string")


BAD_SPECS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "integr"}, "type", "did you mean 'integer'?"),
    ({"type": "text"}, "type", "is no input type"),
    ({"type": "string", "minimum": 1}, "minimum", "does not apply to the type string"),
    ({"type": "string", "choices": ["a"]}, "choices", "does not apply"),
    ({"type": "integer", "minimum": 5, "maximum": 1}, "minimum", "above maximum"),
    ({"type": "integer", "minimum": "1"}, "minimum", "finite number"),
    ({"type": "integer", "minimum": True}, "minimum", "finite number"),
    ({"type": "number", "maximum": float("nan")}, "maximum", "finite number"),
    ({"type": "string", "minLength": 5, "maxLength": 1}, "minLength", "above maxLength"),
    ({"type": "string", "minLength": -1}, "minLength", "greater than or equal to 0"),
    ({"type": "string", "pattern": "("}, "pattern", "regular expression"),
    ({"type": "url_list", "minItems": 3, "maxItems": 1}, "minItems", "above maxItems"),
    ({"type": "enum"}, "choices", "at least one"),
    ({"type": "enum", "choices": ["a", "a"]}, "choices.1", "twice"),
    ({"type": "enum", "choices": [1, "1"]}, "choices.1", "twice"),
    ({"type": "enum", "choices": [[1]]}, "choices.0.value", "must be a text, a number"),
    ({"type": "enum", "choices": ["a"], "maxItems": 1}, "multiple", "must be true"),
    ({"type": "list", "items": "list"}, "items.type", "nested lists"),
    ({"type": "list", "items": {"type": "integer", "pattern": "a"}}, "items.pattern", "does not apply"),
    ({"type": "date", "earliest": "2013"}, "earliest", "a date such as"),
    ({"type": "date", "earliest": "2014-01-01", "latest": "2013-01-01"}, "earliest", "after latest"),
    ({"type": "schema", "schema": {"type": "strng"}}, "schema", "is not a JSON Schema"),
    ({"type": "schema", "schema": {"$ref": "https://a.example/s.json"}}, "schema", "only local references"),
    ({"type": "integer", "default": "5"}, "default", "whole number"),
    ({"type": "integer", "maximum": 5, "default": 6}, "default", "at most 5"),
    ({"type": "integer", "example": 1.5}, "example", "whole number"),
    ({"type": "integer", "default": 5, "required": True}, "required", "beside a default"),
    ({"type": "integer", "widget": "map"}, "widget", "cannot show"),
    ({"type": "integer", "widget": "slider"}, "widget", "needs minimum and maximum"),
]


@pytest.mark.parametrize(("spec", "where", "part"), BAD_SPECS, ids=lambda value: None)
def test_an_incoherent_input_is_refused_with_its_place(spec: dict[str, Any], where: str, part: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Input.model_validate({"name": "x", **spec})
    told = []
    for error in caught.value.errors():
        inner = error.get("ctx", {}).get("faults", [((), error["msg"])])
        told += [(".".join(map(str, (*error["loc"], *path))), message) for path, message in inner]
    assert any(place == where and part in message for place, message in told), told


def test_widget_is_the_types_own_unless_another_fits() -> None:
    assert Input(name="x", type="integer").shown_by == "number"
    assert Input(name="x", type="integer", minimum=1, maximum=5, widget="slider").shown_by == "slider"
    assert Input(name="x", type="enum", choices=["a"], multiple=True).shown_by == "multiselect"


def test_schema_of_all_inputs_says_what_is_required_and_closes_the_object() -> None:
    schema = json_schema(FLIGHTS)
    assert schema["required"] == ["month"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["month"] == {"type": "integer", "minimum": 1, "maximum": 12}
    assert schema["properties"]["origin"]["default"] == "JFK"
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"month": 3, "label": None, "scene": None})
    assert not validator.is_valid({"month": 13})
    assert not validator.is_valid({"month": 3, "mnth": 3})


def test_local_references_of_a_fragment_hold_within_the_whole_schema() -> None:
    fragment = {"$defs": {"n": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/$defs/n"}}
    shaped = Input.model_validate({"name": "x", "type": "schema", "schema": fragment})
    listed = Input.model_validate({"name": "y", "type": "list", "items": {"type": "schema", "schema": fragment}})
    validator = Draft202012Validator(json_schema([shaped, listed]))
    assert validator.is_valid({"x": [1], "y": [[1], [2]]})
    assert not validator.is_valid({"x": ["1"], "y": []})
    assert not validator.is_valid({"x": [], "y": [["1"]]})


def test_schema_carries_the_words_a_form_shows() -> None:
    item = Input(name="m", type="integer", title="Month", description="Of 2013.", example=3)
    assert input_schema(item) == {"title": "Month", "description": "Of 2013.", "examples": [3], "type": "integer"}


def test_link_leaves_out_what_nothing_stands_for() -> None:
    assert to_query(FLIGHTS, {"month": 3, "label": None}) == {"month": ["3"]}


def test_a_fragment_that_refers_to_nothing_is_refused_not_raised() -> None:
    item = Input.model_validate({"name": "x", "type": "schema", "schema": {"$ref": "#/$defs/missing"}})
    with pytest.raises(InvalidRequest, match="refers to nothing"):
        resolve([item], {"x": 1})
