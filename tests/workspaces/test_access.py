"""The one decision: may this user run this notebook in this workspace?"""

from types import SimpleNamespace

import pytest

from builders import a_workspace
from daybook.contract.errors import NotAllowed
from daybook.workspaces import Identity, may_see, require_access


def a_notebook(**changes):
    return SimpleNamespace(**{"id": "n", "source": "/catalogue/n/notebook.ipynb", "workspaces": (), **changes})


EVERYBODY, ALICE, NOBODY = ("*",), ("alice",), ()
STRANGER = "not a member of 'local'; ask its owner, or choose another workspace"
UNNAMED = "nobody is named for this run"
ELSEWHERE = "the catalogue lets notebook 'n' run only in: a, research"


@pytest.mark.parametrize(
    ("members", "user", "allowed_workspaces", "refusals"),
    [
        (EVERYBODY, "alice", (), []),
        (EVERYBODY, None, (), []),
        (EVERYBODY, "", (), []),
        (("bob", "*"), "alice", (), []),
        (ALICE, "alice", (), []),
        (ALICE, "alice", ("local",), []),
        (ALICE, "alice", ("research", "local"), []),
        (ALICE, "bob", (), ["user 'bob' is " + STRANGER]),
        (ALICE, "Alice", (), ["user 'Alice' is " + STRANGER]),
        (ALICE, "alice ", (), ["user 'alice ' is " + STRANGER]),
        (ALICE, "*", (), ["user '*' is " + STRANGER]),
        (ALICE, None, (), [UNNAMED]),
        (ALICE, "", (), [UNNAMED]),
        (NOBODY, "alice", (), [STRANGER]),
        (NOBODY, None, (), [UNNAMED]),
        (EVERYBODY, "alice", ("research", "a"), [ELSEWHERE]),
        (ALICE, "bob", ("research", "a"), [STRANGER, ELSEWHERE]),
        (ALICE, None, ("research", "a"), [UNNAMED, ELSEWHERE]),
    ],
)
def test_who_may_run_what_where(members, user, allowed_workspaces, refusals):
    workspace = a_workspace(members=members)
    if not refusals:
        require_access(Identity(user), workspace, a_notebook(workspaces=allowed_workspaces))
        return
    with pytest.raises(NotAllowed) as caught:
        require_access(Identity(user), workspace, a_notebook(workspaces=allowed_workspaces))
    told = [str(fault) for fault in caught.value.faults]
    assert len(told) == len(refusals)
    assert all(refusal in fault for refusal, fault in zip(refusals, told, strict=True)), told


@pytest.mark.parametrize(
    ("members", "user", "seen"),
    [
        (EVERYBODY, "bob", True),
        (ALICE, "alice", True),
        (ALICE, "bob", False),
        (ALICE, "*", False),
        (NOBODY, "*", False),
    ],
)
def test_who_may_see_a_workspaces_runs(members, user, seen):
    assert may_see(Identity(user), a_workspace(members=members)) is seen


def member(members, **identity):
    try:
        require_access(Identity(**{"user": "ada", **identity}), a_workspace(members=members), a_notebook())
    except NotAllowed:
        return False
    return True


def test_a_group_or_a_claim_makes_a_member_and_one_is_enough():
    assert member({"groups": ["geo"]}, groups=frozenset({"geo", "x"}))
    assert not member({"groups": ["geo"]}, groups=frozenset({"Geo", "geo ", "/geo"}))
    assert member({"claims": {"dep": ["a", "b"]}}, claims={"dep": frozenset({"b"})})
    assert not member({"claims": {"dep": ["a"]}}, claims={"other": frozenset({"a"})})
    assert member({"users": ["bob"], "groups": ["geo"]}, groups=frozenset({"geo"}))
    assert not member({"groups": ["geo"]}, user=None, groups=frozenset({"geo"}))
    assert not member({"users": ["geo"]}, groups=frozenset({"geo"}))
    assert not member({"groups": ["*"], "claims": {"dep": ["*"]}}, groups=frozenset({"x"}))


@pytest.mark.parametrize(
    ("source", "patterns", "allowed"),
    [
        ("/c/n.ipynb", ("*",), True),
        ("/c/../d/n.ipynb", ("*",), True),
        ("/c/n.ipynb", ("/c/*",), True),
        ("s3://b/c/n.ipynb", ("/c/*", "s3://b/*"), True),
        ("/c/n.ipynb", (), False),
        ("/C/n.ipynb", ("/c/*",), False),
        ("/c/../d/n.ipynb", ("/c/*",), False),
        ("s3://b/c/%2e%2e/n.ipynb", ("s3://b/c/*",), False),
        ("s3://b/c/%252e%252e/n.ipynb", ("s3://b/c/*",), False),
        ("/c/a\n/n.ipynb", ("/c/*",), True),
        ("https://evil.example/?/c/n.ipynb", ("/c/*",), False),
        ("/cx/n.ipynb", ("/c?/*", "/c[x]/*"), False),
    ],
)
def test_a_workspace_says_from_where_its_notebooks_come(source, patterns, allowed):
    workspace = a_workspace(allowed={"sources": patterns})
    if allowed:
        require_access(Identity("ada"), workspace, a_notebook(source=source))
        return
    with pytest.raises(NotAllowed, match="runs no notebooks from"):
        require_access(Identity("ada"), workspace, a_notebook(source=source))
