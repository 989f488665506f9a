"""The one decision: may this user run this notebook in this workspace?"""

import pytest

from builders import a_workspace
from daybook.contract.errors import NotAllowed
from daybook.workspaces import Identity, may_see, require_access

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
        require_access(Identity(user), workspace, "n", allowed_workspaces)
        return
    with pytest.raises(NotAllowed) as caught:
        require_access(Identity(user), workspace, "n", allowed_workspaces)
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
