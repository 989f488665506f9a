"""Claims as providers write them, each by its dotted path with all its values."""

import pytest

from daybook.workspaces.claims import flat_claims

A, B = frozenset({"a"}), frozenset({"a", "b"})


@pytest.mark.parametrize(
    ("workspaces", "found"),
    [
        ("a", {"workspaces": A}),
        (["a", "b"], {"workspaces": B}),
        (["a", None, ["b"]], {"workspaces": A}),
        ([], {"workspaces": frozenset()}),
        (None, {"workspaces": frozenset()}),
        (7, {"workspaces": {"7"}}),
        (True, {"workspaces": {"true"}}),
        ({"names": ["a", "b"]}, {"workspaces.names": B}),
        ({"a": {"role": "owner"}}, {"workspaces.a.role": {"owner"}}),
        (
            [{"name": "a", "role": "owner"}, {"name": "b"}],
            {"workspaces": frozenset(), "workspaces.name": B, "workspaces.role": {"owner"}},
        ),
        (["a", {"name": "b"}], {"workspaces": A, "workspaces.name": {"b"}}),
        ({}, {}),
    ],
)
def test_a_claim_is_known_by_its_path_with_all_its_values(workspaces, found):
    assert flat_claims({"workspaces": workspaces}) == found


def test_a_name_that_is_an_address_is_one_name():
    assert flat_claims({"https://hub.example/workspaces": ["a"]}) == {"https://hub.example/workspaces": A}
