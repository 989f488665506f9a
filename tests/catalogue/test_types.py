"""Every input type by table: what it takes, and what it refuses, as JSON, from a link and from a form."""

import json
import math
from typing import Any

import pytest

from daybook.catalogue import TYPES, Input, resolve
from daybook.contract.errors import InvalidRequest

NAN, INFINITY = math.nan, math.inf
REFUSED = object()


def make(kind: str, **limits: Any) -> Input:
    return Input(name="x", type=kind, **limits)


def outcome(item: Input, value: Any, source: str) -> Any:
    try:
        return resolve([item], {"x": value}, source)["x"]  # type: ignore[arg-type]
    except InvalidRequest:
        return REFUSED


STRING = make("string", minLength=1, maxLength=5, pattern="^[a-zé]*$")
INTEGER = make("integer", minimum=-10, maximum=10)
OPEN_INTEGER = make("integer")
NUMBER = make("number", exclusiveMinimum=0, exclusiveMaximum=100)
OPEN_NUMBER = make("number")
BOOLEAN = make("boolean")
DATE = make("date", earliest="2013-01-01", latest="2013-12-31")
DATETIME = make("datetime", earliest="2013-01-01T00:00:00Z")
ENUM = make("enum", choices=["JFK", {"value": "LGA", "label": "La Guardia"}, 7, True])
SEVERAL = make("enum", choices=["JFK", "LGA", 7], multiple=True, minItems=1, maxItems=2)
URL = make("url")
WEB = make("url", schemes=["https"])
URLS = make("url_list", minItems=1, maxItems=2)
UNIQUE_URLS = make("url_list", unique=True)
BBOX = make("bbox")
INTEGERS = make("list", items="integer", minItems=1, maxItems=3)
TEXTS = make("list", items="string")
ANYTHINGS = make("list", unique=True)
BOXES = make("list", items={"type": "bbox"})
OBJECT = make("object")
SHAPED = make("object", schema={"required": ["a"], "properties": {"a": {"type": "integer"}}})
ANY = make("schema")
FRAGMENT = make("schema", schema={"$defs": {"n": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/$defs/n"}})
SECRET = make("secret")

DEEP: list[Any] = []
for _ in range(100):
    DEEP = [DEEP]

JSON_TABLE = [
    (STRING, "abc", "abc"),
    (STRING, "é", "é"),
    (STRING, "", REFUSED),
    (STRING, "abcdef", REFUSED),
    (STRING, "ABC", REFUSED),
    (STRING, 5, REFUSED),
    (STRING, None, REFUSED),
    (make("string"), "a\nb", "a\nb"),
    (make("string"), "a\0b", REFUSED),
    (make("string"), "\ud800", REFUSED),
    (INTEGER, 5, 5),
    (INTEGER, -10, -10),
    (INTEGER, 5.0, 5),
    (INTEGER, 5.5, REFUSED),
    (INTEGER, "5", REFUSED),
    (INTEGER, True, REFUSED),
    (INTEGER, 11, REFUSED),
    (INTEGER, -11, REFUSED),
    (INTEGER, [5], REFUSED),
    (OPEN_INTEGER, NAN, REFUSED),
    (OPEN_INTEGER, INFINITY, REFUSED),
    (OPEN_INTEGER, 2**70, 2**70),
    (OPEN_INTEGER, 10**450, REFUSED),
    (NUMBER, 1, 1.0),
    (NUMBER, 99.5, 99.5),
    (NUMBER, 0, REFUSED),
    (NUMBER, 100, REFUSED),
    (NUMBER, "1", REFUSED),
    (NUMBER, True, REFUSED),
    (OPEN_NUMBER, NAN, REFUSED),
    (OPEN_NUMBER, -INFINITY, REFUSED),
    (OPEN_NUMBER, 10**400, REFUSED),
    (BOOLEAN, True, True),
    (BOOLEAN, False, False),
    (BOOLEAN, 1, REFUSED),
    (BOOLEAN, "true", REFUSED),
    (DATE, "2013-01-31", "2013-01-31"),
    (DATE, "2013-12-31", "2013-12-31"),
    (DATE, "2013-02-30", REFUSED),
    (DATE, "2012-12-31", REFUSED),
    (DATE, "2014-01-01", REFUSED),
    (DATE, "20130131", REFUSED),
    (DATE, "2013-W05-4", REFUSED),
    (DATE, "2013-01-31T00:00:00", REFUSED),
    (DATE, "2013-01-31\n", REFUSED),
    (DATE, "\u0662\u0660\u0661\u0663-01-31", REFUSED),
    (DATE, 20130131, REFUSED),
    (DATETIME, "2013-01-31T10:00:00+01:00", "2013-01-31T10:00:00+01:00"),
    (DATETIME, "2013-01-31T10:00Z", "2013-01-31T10:00:00+00:00"),
    (DATETIME, "2013-01-31 10:00:00.5Z", "2013-01-31T10:00:00.500000+00:00"),
    (DATETIME, "2013-01-31T10:00:00", REFUSED),
    (DATETIME, "2013-01-31T25:00:00Z", REFUSED),
    (DATETIME, "2013-01-31T10:00:00+99:99", REFUSED),
    (DATETIME, "2012-12-31T23:00:00Z", REFUSED),
    (DATETIME, "2013-01-31", REFUSED),
    (ENUM, "JFK", "JFK"),
    (ENUM, "LGA", "LGA"),
    (ENUM, 7, 7),
    (ENUM, 7.0, 7),
    (ENUM, True, True),
    (ENUM, 1, REFUSED),
    (ENUM, "7", REFUSED),
    (ENUM, "jfk", REFUSED),
    (ENUM, ["JFK"], REFUSED),
    (SEVERAL, ["JFK", 7], ["JFK", 7]),
    (SEVERAL, "JFK", REFUSED),
    (SEVERAL, [], REFUSED),
    (SEVERAL, ["JFK", "LGA", 7], REFUSED),
    (SEVERAL, ["JFK", "JFK"], REFUSED),
    (SEVERAL, ["EWR"], REFUSED),
    (URL, "https://a.example/b?c=1,2#d", "https://a.example/b?c=1,2#d"),
    (URL, "s3://bucket/key with space", REFUSED),
    (URL, "s3://bucket/key", "s3://bucket/key"),
    (URL, "file:///data/scene.tif", "file:///data/scene.tif"),
    (URL, "file://host/data/scene.tif", REFUSED),
    (URL, "file:///", REFUSED),
    (URL, "ftp://a.example/b", REFUSED),
    (URL, "https://", REFUSED),
    (URL, "https:///path", REFUSED),
    (URL, "https://user:pw@a.example/", REFUSED),
    (URL, "https://a.example\\@b.example/", REFUSED),
    (URL, "https://a.example\\b", REFUSED),
    (URL, "https://a.example/\n", REFUSED),
    (URL, "https://a.exam\tple/", REFUSED),
    (URL, "https://a.example/\u2028", REFUSED),
    (URL, "https://[::1/", REFUSED),
    (URL, "https://a.example:99999/", REFUSED),
    (URL, "javascript:alert(1)", REFUSED),
    (URL, "/data/scene.tif", REFUSED),
    (URL, "https://a.example/" + "x" * 9000, REFUSED),
    (URL, 5, REFUSED),
    (WEB, "https://a.example", "https://a.example"),
    (WEB, "http://a.example", REFUSED),
    (URLS, ["https://a.example"], ["https://a.example"]),
    (URLS, [], REFUSED),
    (URLS, ["https://a.example"] * 3, REFUSED),
    (URLS, ["https://a.example"] * 2, ["https://a.example"] * 2),
    (URLS, ["https://a.example", "nonsense"], REFUSED),
    (URLS, "https://a.example", REFUSED),
    (UNIQUE_URLS, ["https://a.example"] * 2, REFUSED),
    (UNIQUE_URLS, [], []),
    (BBOX, [-1, 50, 1, 52], [-1.0, 50.0, 1.0, 52.0]),
    (BBOX, [-180, -90, 180, 90], [-180.0, -90.0, 180.0, 90.0]),
    (BBOX, [170, -20, -170, -10], [170.0, -20.0, -170.0, -10.0]),
    (BBOX, [1, 50, 1, 52], REFUSED),
    (BBOX, [180, 50, -180, 52], REFUSED),
    (BBOX, [0, 52, 1, 50], REFUSED),
    (BBOX, [0, 50, 1, 50], REFUSED),
    (BBOX, [0, 50, 181, 52], REFUSED),
    (BBOX, [0, -91, 1, 52], REFUSED),
    (BBOX, [0, NAN, 1, 52], REFUSED),
    (BBOX, [0, 50, INFINITY, 52], REFUSED),
    (BBOX, ["0", 50, 1, 52], REFUSED),
    (BBOX, [True, 50, 2, 52], REFUSED),
    (BBOX, [0, 50, 1], REFUSED),
    (BBOX, [0, 50, 0, 1, 52, 9], REFUSED),
    (BBOX, "0,50,1,52", REFUSED),
    (INTEGERS, [1, 2.0], [1, 2]),
    (INTEGERS, [], REFUSED),
    (INTEGERS, [1, 2, 3, 4], REFUSED),
    (INTEGERS, [1, "2"], REFUSED),
    (INTEGERS, {"a": 1}, REFUSED),
    (ANYTHINGS, [1, "1", True, None, {"a": [1]}], [1, "1", True, None, {"a": [1]}]),
    (ANYTHINGS, [1, 1.0], REFUSED),
    (ANYTHINGS, [{1, 2}], REFUSED),
    (ANYTHINGS, [NAN], REFUSED),
    (BOXES, [[0, 50, 1, 52]], [[0.0, 50.0, 1.0, 52.0]]),
    (BOXES, [[0, 52, 1, 50]], REFUSED),
    (OBJECT, {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
    (OBJECT, {}, {}),
    (OBJECT, [], REFUSED),
    (OBJECT, {"a": {"b": NAN}}, REFUSED),
    (OBJECT, {1: 2}, REFUSED),
    (OBJECT, {"a": DEEP}, REFUSED),
    (SHAPED, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
    (SHAPED, {"b": 2}, REFUSED),
    (SHAPED, {"a": "1"}, REFUSED),
    (ANY, "text", "text"),
    (ANY, None, None),
    (ANY, INFINITY, REFUSED),
    (ANY, [10**450], REFUSED),
    (ANY, (1, 2), REFUSED),
    (FRAGMENT, [1, 2], [1, 2]),
    (FRAGMENT, ["1"], REFUSED),
    (SECRET, "api-token", "api-token"),
    (SECRET, "-rf", REFUSED),
    (SECRET, "../other", REFUSED),
    (SECRET, "", REFUSED),
    (SECRET, "a" * 253, "a" * 253),
    (SECRET, "a" * 254, REFUSED),
]


@pytest.mark.parametrize(("item", "value", "expected"), JSON_TABLE, ids=lambda value: None)
def test_json_value_is_taken_or_refused(item: Input, value: Any, expected: Any) -> None:
    found = outcome(item, value, "json")
    assert found == expected
    assert type(found) is type(expected)
    if found is not REFUSED:
        assert json.loads(json.dumps(found, allow_nan=False)) == found


QUERY_TABLE = [
    (STRING, ["abc"], "abc"),
    (STRING, "abc", "abc"),
    (STRING, ["a", "b"], REFUSED),
    (make("string"), [""], ""),
    (make("string"), [5], REFUSED),
    (OPEN_INTEGER, ["007"], 7),
    (OPEN_INTEGER, ["-7"], -7),
    (OPEN_INTEGER, ["0x7"], REFUSED),
    (OPEN_INTEGER, ["1_000"], REFUSED),
    (OPEN_INTEGER, [" 5"], REFUSED),
    (OPEN_INTEGER, ["5\n"], REFUSED),
    (OPEN_INTEGER, ["+5"], REFUSED),
    (OPEN_INTEGER, ["5.0"], REFUSED),
    (OPEN_INTEGER, ["\u0665"], REFUSED),
    (OPEN_INTEGER, [""], REFUSED),
    (OPEN_INTEGER, ["9" * 5000], REFUSED),
    (INTEGER, ["11"], REFUSED),
    (OPEN_NUMBER, ["1.5"], 1.5),
    (OPEN_NUMBER, ["-.5e-3"], -0.0005),
    (OPEN_NUMBER, ["nan"], REFUSED),
    (OPEN_NUMBER, ["inf"], REFUSED),
    (OPEN_NUMBER, ["1e999"], REFUSED),
    (OPEN_NUMBER, ["1,5"], REFUSED),
    (OPEN_NUMBER, ["1_0"], REFUSED),
    *((BOOLEAN, [text], True) for text in ("true", "True", "1", "yes", "on")),
    *((BOOLEAN, [text], False) for text in ("false", "FALSE", "0", "no", "off")),
    (BOOLEAN, ["maybe"], REFUSED),
    (BOOLEAN, [""], REFUSED),
    (BOOLEAN, ["true", "false"], REFUSED),
    (DATE, ["2013-01-31"], "2013-01-31"),
    (DATE, ["31.01.2013"], REFUSED),
    (DATETIME, ["2013-01-31T10:00:00+01:00"], "2013-01-31T10:00:00+01:00"),
    (DATETIME, ["2013-01-31T10:00"], REFUSED),
    (DATETIME, ["2013-01-31T10:00:00 01:00"], REFUSED),
    (ENUM, ["JFK"], "JFK"),
    (ENUM, ["7"], 7),
    (ENUM, ["true"], True),
    (ENUM, ["8"], REFUSED),
    (SEVERAL, ["JFK", "7"], ["JFK", 7]),
    (SEVERAL, ['["JFK",7]'], ["JFK", 7]),
    (SEVERAL, ["JFK,LGA"], REFUSED),
    (URL, ["s3://b/k"], "s3://b/k"),
    (URLS, ["https://a.example/x,y"], ["https://a.example/x,y"]),
    (URLS, ["https://a.example", "s3://b/k"], ["https://a.example", "s3://b/k"]),
    (URLS, ["https://a.example,s3://b/k"], ["https://a.example", "s3://b/k"]),
    (URLS, ["https://a.example, s3://b/k"], ["https://a.example", "s3://b/k"]),
    (URLS, ["https://a.example\r\ns3://b/k\n"], ["https://a.example", "s3://b/k"]),
    (URLS, ['["https://a.example/,s3://b"]'], ["https://a.example/,s3://b"]),
    (URLS, ["[broken"], REFUSED),
    (BBOX, ["1,2,3,4"], [1.0, 2.0, 3.0, 4.0]),
    (BBOX, ["1, 2, 3, 4"], [1.0, 2.0, 3.0, 4.0]),
    (BBOX, ["[1,2,3,4]"], [1.0, 2.0, 3.0, 4.0]),
    (BBOX, ["1", "2", "3", "4"], [1.0, 2.0, 3.0, 4.0]),
    (BBOX, ["1,2,3,nan"], REFUSED),
    (BBOX, ["1,2,3"], REFUSED),
    (BBOX, ["1", "2", "3"], REFUSED),
    (BBOX, ["1,2,,4"], REFUSED),
    (INTEGERS, ["1", "2"], [1, 2]),
    (INTEGERS, ["[1,2]"], [1, 2]),
    (INTEGERS, ["1,2"], REFUSED),
    (TEXTS, ["a,b", ""], ["a,b", ""]),
    (TEXTS, ["[]"], []),
    (ANYTHINGS, ['"a"', "1"], ["a", 1]),
    (BOXES, ["0,50,1,52", "0,0,1,1"], [[0.0, 50.0, 1.0, 52.0], [0.0, 0.0, 1.0, 1.0]]),
    (OBJECT, ['{"a": 1}'], {"a": 1}),
    (OBJECT, ['{"a": NaN}'], REFUSED),
    (OBJECT, ["{"], REFUSED),
    (OBJECT, ["[" * 100_000], REFUSED),
    (ANY, ['"text"'], "text"),
    (ANY, ["text"], REFUSED),
    (SECRET, ["api-token"], "api-token"),
    (SECRET, ["a b"], REFUSED),
]


@pytest.mark.parametrize(("item", "texts", "expected"), QUERY_TABLE, ids=lambda value: None)
def test_link_is_read_or_refused(item: Input, texts: Any, expected: Any) -> None:
    found = outcome(item, texts, "query")
    assert found == expected
    assert type(found) is type(expected)


FORM_TABLE = [
    (make("string"), ["a\r\nb"], "a\nb"),
    (BOOLEAN, ["false", "true"], True),
    (BOOLEAN, ["false"], False),
    (DATETIME, ["2013-01-31T10:00"], "2013-01-31T10:00:00+00:00"),
    (DATETIME, ["2013-01-31T10:00:00+01:00"], "2013-01-31T10:00:00+01:00"),
    (DATETIME, ["31.01.2013"], REFUSED),
    (OPEN_INTEGER, ["", "5"], 5),
    (OPEN_INTEGER, [" 5"], REFUSED),
    (SEVERAL, ["JFK", "LGA"], ["JFK", "LGA"]),
    (URLS, ["https://a.example\r\ns3://b/k\r\n"], ["https://a.example", "s3://b/k"]),
    (INTEGERS, ["1\r\n2\r\n"], [1, 2]),
    (INTEGERS, ["[1,\r\n2]"], [1, 2]),
    (TEXTS, ["a b\r\nc"], ["a b", "c"]),
    (BBOX, ["1, 2, 3, 4"], [1.0, 2.0, 3.0, 4.0]),
    (BBOX, ["1", "2", "3", "4"], [1.0, 2.0, 3.0, 4.0]),
    (OBJECT, ['{\r\n"a": 1}'], {"a": 1}),
    (SECRET, ["k"], "k"),
]


@pytest.mark.parametrize(("item", "texts", "expected"), FORM_TABLE, ids=lambda value: None)
def test_form_is_read_or_refused(item: Input, texts: Any, expected: Any) -> None:
    assert outcome(item, texts, "form") == expected


def test_every_type_stands_in_each_table() -> None:
    assert {row[0].type for row in JSON_TABLE} == set(TYPES)
    assert {row[0].type for row in QUERY_TABLE} == set(TYPES)


@pytest.mark.parametrize("kind", TYPES.values(), ids=lambda kind: kind.name)
def test_every_type_has_a_schema_a_widget_and_words(kind: Any) -> None:
    limits = {"choices": ["a"]} if kind.name == "enum" else {}
    item = make(kind.name, **limits)
    assert isinstance(kind.json_schema(item), dict)
    assert kind.widgets(item)
    assert kind.noun
    assert kind.python


@pytest.mark.parametrize(
    ("item", "value", "path", "part"),
    [
        (INTEGER, "5", "x", 'must be a whole number, not "5"'),
        (BBOX, [0, NAN, 200, 52], "x.south", "finite"),
        (BBOX, [0, NAN, 200, 52], "x.east", "at most 180"),
        (URLS, ["https://a.example", "b"], "x[1]", "begins with http://"),
        (SHAPED, {"a": "1"}, "x.a", "is not of type 'integer'"),
        (DATETIME, "2013-01-31T10:00:00 01:00", "x", "%2B"),
        (ENUM, "EWR", "x", 'must be one of JFK, LGA, 7, true, not "EWR"'),
    ],
)
def test_message_names_place_and_reason(item: Input, value: Any, path: str, part: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        resolve([item], {"x": value})
    assert any(fault.where == path and part in fault.message for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("item", "value"),
    [(SECRET, "hunter2 is my password"), (URL, "https://user:hunter2@a.example/"), (URL, "ftp://u:hunter2@a.example")],
)
def test_message_never_repeats_a_credential(item: Input, value: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        resolve([item], {"x": value})
    assert "hunter2" not in str(caught.value)


def test_message_cuts_a_large_value_short() -> None:
    with pytest.raises(InvalidRequest) as caught:
        resolve([OPEN_INTEGER], {"x": "y" * 100_000})
    assert len(str(caught.value)) < 300
