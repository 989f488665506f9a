"""Merge, strategic merge and JSON patches: the examples of their specifications, and what is refused."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybook.localpods.api.errors import ApiError
from daybook.localpods.api.patches import apply_patch, json_patch, merge, strategic_merge


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [  # RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches(target: Any, patch: Any, expected: Any) -> None:
    before = copy.deepcopy(target)
    assert merge(target, patch) == expected
    assert target == before


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"labels": {"a": "1"}}, {"labels": {"b": "2"}}, {"labels": {"a": "1", "b": "2"}}),
        ({"labels": {"a": "1"}}, {"labels": {"a": None}}, {"labels": {}}),
        (
            {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]},
            {"containers": [{"name": "a", "image": "y"}, {"name": "c"}]},
            {"containers": [{"name": "a", "image": "y"}, {"name": "b"}, {"name": "c"}]},
        ),
        (
            {"containers": [{"name": "a"}, {"name": "b"}]},
            {"containers": [{"name": "a", "$patch": "delete"}]},
            {"containers": [{"name": "b"}]},
        ),
        ({"env": [{"name": "a"}]}, {"env": [{"$patch": "replace"}, {"name": "b"}]}, {"env": [{"name": "b"}]}),
        ({"labels": {"a": "1"}}, {"labels": {"$patch": "replace", "b": "2"}}, {"labels": {"b": "2"}}),
        ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
        ({"env": [{"name": "a"}]}, {"$setElementOrder/env": [{"name": "a"}]}, {"env": [{"name": "a"}]}),
    ],
)
def test_strategic_merge_patches(target: Any, patch: Any, expected: Any) -> None:
    before = copy.deepcopy(target)
    assert strategic_merge(target, patch) == expected
    assert target == before


@pytest.mark.parametrize(
    ("target", "operations", "expected"),
    [  # RFC 6902, appendix A
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
        ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": "x"}], {"foo": ["bar", "x"]}),
        ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
        ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
        ({"a": [1, 2, 3]}, [{"op": "replace", "path": "/a/2", "value": 4}], {"a": [1, 2, 4]}),
        ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}], {"a": {}, "c": {"d": 1}}),
        ({"a": [1, 2, 3]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": [2, 3, 1]}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1}, {"op": "remove", "path": "/a"}], {}),
        ({"a/b": 1, "m~n": 2}, [{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/m~0n"}], {}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
        ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
    ],
)
def test_json_patches(target: Any, operations: Any, expected: Any) -> None:
    before = copy.deepcopy(target)
    assert json_patch(target, operations) == expected
    assert target == before


@pytest.mark.parametrize(
    "operations",
    [
        *({}, ["x"], [{}], [{"op": "add", "path": "/b"}], [{"op": "frob", "path": "/a", "value": 1}]),
        *([{"op": "remove", "path": "/none"}], [{"op": "remove", "path": ""}], [{"op": "remove", "path": "a"}]),
        *([{"op": "replace", "path": "/none", "value": 1}], [{"op": "add", "path": "/none/x", "value": 1}]),
        *([{"op": "add", "path": "/l/9", "value": 1}], [{"op": "add", "path": "/l/x", "value": 1}]),
        *([{"op": "test", "path": "/a", "value": 2}], [{"op": "move", "path": "/a"}], [{"op": "add", "value": 1}]),
        [{"op": "add", "path": "/a/b", "value": 1}],
        [{"op": "add", "path": "", "value": []}],
    ],
)
def test_json_patches_that_do_not_fit_are_refused(operations: Any) -> None:
    with pytest.raises(ApiError) as refused:
        apply_patch("application/json-patch+json", {"a": 1, "l": [1]}, operations)
    assert refused.value.code == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "env", "$patch"]), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "containers"]), JSON)


@given(kind=st.sampled_from(["json-patch", "merge-patch", "strategic-merge-patch"]), target=OBJECTS, patch=JSON)
def test_any_patch_gives_an_object_or_a_refusal(kind: str, target: dict[str, Any], patch: Any) -> None:
    before = copy.deepcopy(target)
    with contextlib.suppress(ApiError):
        assert isinstance(apply_patch(f"application/{kind}+json; charset=utf-8", target, patch), dict)
    assert target == before


@given(old=OBJECTS, new=OBJECTS)
def test_a_merge_patch_of_a_whole_object_sets_what_it_names(old: dict[str, Any], new: dict[str, Any]) -> None:
    merged = merge(old, new)
    assert merge(merged, new) == merged
    assert json.dumps(merged)
