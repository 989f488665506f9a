"""Properties that hold for every type and every value: found by hypothesis, not by example."""

import json
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from daybook.catalogue import TYPES, Input, json_schema, resolve, to_query
from daybook.contract.errors import InvalidRequest

EXAMPLES = settings(max_examples=60, deadline=None)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
paths = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="\\"), max_size=15)
urls = st.builds(
    lambda scheme, host, path: f"{scheme}://{host}/{path}",
    st.sampled_from(["http", "https", "s3", "gs"]),
    st.from_regex(r"[a-z][a-z0-9.-]{0,10}[a-z]", fullmatch=True),
    paths | st.builds("{},{}".format, paths, st.just("https://other.example/x")) | st.just(","),
)
boxes = st.builds(
    lambda west, east, south, height: [west, south, east, south + height],
    st.floats(-180, 180),
    st.floats(-180, 180),
    st.floats(-90, 0),
    st.floats(0.5, 90),
).filter(lambda box: box[0] != box[2] and (box[0], box[2]) != (180, -180))
CHOICES = ["a", "[b", "", "1", 2, 2.5, True, "true story"]
datetimes = st.datetimes().map(lambda moment: moment.isoformat() + "+01:00")

VALUES: dict[str, tuple[dict[str, Any], st.SearchStrategy[Any]]] = {
    "string": ({}, texts),
    "integer": ({}, st.integers()),
    "number": ({}, finite | st.integers(-(2**53), 2**53)),
    "boolean": ({}, st.booleans()),
    "date": ({}, st.dates().map(lambda day: day.isoformat())),
    "datetime": ({}, datetimes),
    "enum": ({"choices": CHOICES}, st.sampled_from(CHOICES)),
    "url": ({}, urls),
    "url_list": ({}, st.lists(urls, max_size=4)),
    "bbox": ({}, boxes),
    "list": ({}, st.lists(json_values, max_size=4)),
    "object": ({}, st.dictionaries(texts, json_values, max_size=3)),
    "schema": ({}, json_values),
    "secret": ({}, st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}", fullmatch=True)),
}
MORE = {
    "several of an enum": (
        Input(name="x", type="enum", choices=CHOICES, multiple=True),
        st.lists(st.sampled_from(CHOICES), max_size=4, unique_by=json.dumps),
    ),
    "list of texts": (Input(name="x", type="list", items="string"), st.lists(texts, max_size=4)),
    "list of boxes": (Input(name="x", type="list", items="bbox"), st.lists(boxes, max_size=3)),
    "list of anything": (Input(name="x", type="list", items="schema"), st.lists(json_values, max_size=3)),
    "nullable": (Input(name="x", type="integer", default=None), st.none() | st.integers()),
    "with a default": (Input(name="x", type="string", default="other"), texts),
    "left to the notebook": (Input(name="x", type="url", required=False), urls),
}
CASES = {name: (Input(name="x", type=name, **limits), values) for name, (limits, values) in VALUES.items()} | MORE


def test_every_type_has_a_property() -> None:
    assert set(VALUES) == set(TYPES)


@pytest.mark.parametrize("case", CASES)
def test_a_link_gives_the_same_parameters_again(case: str) -> None:
    item, values = CASES[case]

    @EXAMPLES
    @given(values)
    def holds(value: Any) -> None:
        parameters = resolve([item], {"x": value})
        link = urlencode(to_query([item], parameters), doseq=True)
        given_again = parse_qs(link, keep_blank_values=True, strict_parsing=bool(link))
        assert resolve([item], given_again, "query") == parameters

    holds()


@pytest.mark.parametrize("case", CASES)
def test_parameters_are_json_that_resolves_to_itself_and_matches_the_schema(case: str) -> None:
    item, values = CASES[case]
    validator = Draft202012Validator(json_schema([item]))

    @EXAMPLES
    @given(values)
    def holds(value: Any) -> None:
        parameters = resolve([item], {"x": value})
        assert resolve([item], json.loads(json.dumps(parameters, allow_nan=False))) == parameters
        validator.validate(parameters)
        validator.validate({"x": value})

    holds()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("source", ["json", "query", "form"])
def test_whatever_is_given_it_is_resolved_or_refused(case: str, source: Any) -> None:
    item, _ = CASES[case]
    anything = json_values | st.floats() | st.binary() if source == "json" else st.lists(st.text(), max_size=5)

    @settings(max_examples=30, deadline=None)
    @given(anything)
    def holds(value: Any) -> None:
        with suppress(InvalidRequest):
            json.dumps(resolve([item], {"x": value}, source), allow_nan=False)

    holds()


@EXAMPLES
@given(st.dictionaries(st.text(max_size=70), json_values, max_size=5))
def test_open_names_hold_for_json_and_links(given_values: dict[str, Any]) -> None:
    try:
        parameters = resolve([], given_values, open_names=True)
    except InvalidRequest:
        return
    assert parameters == given_values
    assert all(name.isidentifier() for name in parameters)
    assert resolve([], to_query([], parameters), "query", open_names=True) == parameters
