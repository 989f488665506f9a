"""YAML and JSON with the line of everything in them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybook.catalogue.documents import MAX_BYTES, Unreadable, json_line, read_json_document, read_text, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("2013-01-31", "2013-01-31"),
        ("2013-01-31 10:00:00", "2013-01-31 10:00:00"),
        ("12:30:00", "12:30:00"),
        ("010", 10),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-5", -5),
        ("~", None),
        ("null", None),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("=", "="),
        ("", None),
    ],
)
def test_plain_values_follow_yaml_1_2(text: str, value: Any) -> None:
    data, _ = read_yaml(f"a: {text}\n")
    assert data == {"a": value}
    assert type(data["a"]) is type(value)


def test_lines_are_those_of_keys_and_items() -> None:
    _, lines = read_yaml("# comment\na:\n  b:\n    - 1\n    - {c: 2}\n")
    assert lines["a",] == 2
    assert lines["a", "b"] == 3
    assert lines["a", "b", 1, "c"] == 5


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: 1\na: 2\n", 2, "'a' twice"),
        ("a: [\n", 2, "not YAML"),
        ("a: 1\nb: c: d\n", 2, "not YAML"),
        ("\ta: 1\n", 1, "not YAML"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "not plain data"),
        ("a: !!python/name:os.system\n", 1, "not plain data"),
        ("a: !!int x\n", 1, "not YAML"),
        ("? [a]\n: 1\n", 1, "as a key"),
        ("a: &x [*x]\n", 1, "refers to itself"),
        ("a: " + "[" * 60 + "]" * 60, 1, "holds too much"),
        ("a: \x01\n", None, "not YAML"),
        (BOMB, None, "holds too much"),
    ],
)
def test_what_is_not_plain_yaml_is_unreadable(text: str, line: int | None, part: str) -> None:
    with pytest.raises(Unreadable, match=part) as caught:
        read_yaml(text)
    assert line is None or caught.value.line == line


def test_text_must_be_utf8_and_of_human_size() -> None:
    assert read_text("\ufeffé".encode()) == "é"
    with pytest.raises(Unreadable, match="UTF-8") as caught:
        read_text(b"a\nb\n\xff")
    assert caught.value.line == 3
    with pytest.raises(Unreadable, match="larger"):
        read_text(b"a" * (MAX_BYTES + 1))


@pytest.mark.parametrize(("text", "line"), [("{\n", 2), ("[1,\n2,\n]", 3), ("", 1)])
def test_what_is_not_json_names_its_line(text: str, line: int) -> None:
    with pytest.raises(Unreadable) as caught:
        read_json_document(text)
    assert caught.value.line == line


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@settings(max_examples=60, deadline=None)
@given(JSON_VALUES, st.data())
def test_json_line_is_that_of_the_value(value: Any, data: st.DataObject) -> None:
    marker = 'here it is: \\ " ] }'
    path: list[str | int] = []
    while isinstance(value, list | dict) and value and data.draw(st.booleans()):
        step = data.draw(st.sampled_from(range(len(value)) if isinstance(value, list) else sorted(value)))
        path.append(step)
        value = value[step]
    tree: Any = marker
    for step in reversed(path):
        tree = {"other": ["\n", {}], step: tree} if isinstance(step, str) else [[1, {"a": 2}]] * step + [tree]
    text = json.dumps(tree, indent=1)
    expected = next(number for number, line in enumerate(text.split("\n"), 1) if json.dumps(marker) in line)
    assert json_line(text, tuple(path)) == expected


def test_json_line_of_a_missing_part_is_that_of_the_nearest() -> None:
    text = '[\n {"a": 1},\n {\n  "b": []}\n]'
    assert json_line(text, (1, "b", 5)) == 4
    assert json_line(text, (1, "zzz")) == 3
    assert json_line(text, (9,)) == 1
