"""Label and field selectors: by table, and against a second, naive reading of the same requirements."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybook.localpods.api.errors import ApiError
from daybook.localpods.api.selectors import (
    POD_FIELDS,
    Requirement,
    field_selector,
    label_selector,
    parse_label_selector,
)


def labelled(**labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": labels}}


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {}, True),
        ("a=b", {"a": "b"}, True),
        ("a==b", {"a": "b"}, True),
        ("a=b", {"a": "c"}, False),
        ("a=b", {}, False),
        ("a=", {"a": ""}, True),
        ("a=", {"a": "x"}, False),
        ("a!=b", {"a": "c"}, True),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("! a", {"a": "x"}, False),
        ("a in (b,c)", {"a": "c"}, True),
        ("a in(b)", {"a": "b"}, True),
        ("a in (b, )", {"a": ""}, True),
        ("a in (b,c)", {}, False),
        ("a notin (b,c)", {}, True),
        ("a notin (b,c)", {"a": "d"}, True),
        ("a notin (b,c)", {"a": "b"}, False),
        ("in in (in)", {"in": "in"}, True),
        ("x.y/a-b_c=1.2", {"x.y/a-b_c": "1.2"}, True),
        (" a = b , c != d ", {"a": "b"}, True),
        ("already_checked!=True,!airflow-worker", {"already_checked": "False"}, True),
    ],
)
def test_label_selectors(text: str, labels: dict[str, str], expected: bool) -> None:
    assert label_selector(text)(labelled(**labels)) is expected


@pytest.mark.parametrize(
    "text",
    [
        *("a=b,", ",a", "a,,b", "a b", "a=b c", "a in b", "a in (b", "a in b)", "a in ()x", "a<1", "a>1", "=b", "!"),
        *(
            "a==b=c",
            "a in (b))",
            "-a=b",
            "a=-b",
            "a b=c",
            f"{'a' * 64}=b",
            f"a={'b' * 64}",
            "ä=b",
            "a=ö",
            "a/b/c=d",
            "!!a",
        ),
    ],
)
def test_what_is_no_label_selector_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        label_selector(text)
    assert refused.value.code == 400
    assert text in refused.value.message


KEYS = st.sampled_from(["a", "b", "x.y/c", "in", "notin", "exists"])
VALUES = st.sampled_from(["", "1", "in", "a-b", "A_1.x"])
LABELS = st.dictionaries(KEYS, VALUES)
SPACE = st.sampled_from(["", " ", "  "])


@st.composite
def requirements(draw: st.DrawFn) -> tuple[str, Any]:
    """A requirement as text, and as a function that says the same in plain Python."""
    key, value, space = draw(KEYS), draw(VALUES), draw(SPACE)
    values = draw(st.lists(VALUES, min_size=1, max_size=3))
    listed = f"({','.join(space + one for one in values)}{space})"
    return draw(
        st.sampled_from(
            [
                (f"{key}{space}={space}{value}", lambda labels: labels.get(key) == value),
                (f"{key}=={value}", lambda labels: labels.get(key) == value),
                (f"{key}{space}!={value}", lambda labels: labels.get(key) != value),
                (f"{key} in{space}{listed}", lambda labels: labels.get(key) in values),
                (f"{key} notin {listed}", lambda labels: labels.get(key) not in values),
                (f"{key}", lambda labels: key in labels),
                (f"!{space}{key}", lambda labels: key not in labels),
            ]
        )
    )


@given(parts=st.lists(requirements(), max_size=4), labels=LABELS)
def test_a_selector_means_that_all_its_parts_hold(parts: list[tuple[str, Any]], labels: dict[str, str]) -> None:
    text = ",".join(part for part, _ in parts)
    assert label_selector(text)(labelled(**labels)) is all(holds(labels) for _, holds in parts)


@given(st.text(alphabet="ab=!,() in\tnotin'\\\0é", max_size=20))
def test_any_text_is_a_selector_or_a_refusal(text: str) -> None:
    with contextlib.suppress(ApiError):
        assert all(isinstance(one, Requirement) for one in parse_label_selector(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("metadata.name=one", True),
        ("metadata.name==one,status.phase!=Failed", True),
        ("metadata.name=one,status.phase=Failed", False),
        ("status.podIP=", True),
        (" metadata.name = one ", True),
    ],
)
def test_field_selectors(text: str, expected: bool) -> None:
    pod = {"metadata": {"name": "one", "namespace": "n"}, "spec": {}, "status": {"phase": "Running"}}
    assert field_selector(text, POD_FIELDS)(pod) is expected


@pytest.mark.parametrize("text", ["metadata.labels=x", "status", "=x", "a=b=c", "spec.containers[0].name=x"])
def test_what_is_no_field_selector_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        field_selector(text, POD_FIELDS)
    assert refused.value.code == 400
