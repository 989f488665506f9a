"""The one decision: may this user run this notebook in this workspace?"""

from __future__ import annotations

from collections.abc import Collection

from daybook.contract.errors import Fault, NotAllowed
from daybook.workspaces.workspace import EVERYBODY, Workspace


def require_access(user: str | None, workspace: Workspace, notebook: str, allowed_workspaces: Collection[str]) -> None:
    """Lets a run pass, or refuses it with every reason.

    Args:
        user: whom Airflow vouches for; None when nobody does.
        workspace: where the run is to be.
        notebook: the notebook's id.
        allowed_workspaces: the workspaces that the catalogue names for the notebook; none named means any.

    Raises:
        NotAllowed: this user may not run this notebook there.
    """
    faults = []
    if EVERYBODY not in workspace.members and not (user and may_see(user, workspace)):
        who = f"user {user!r} is" if user else "nobody is named for this run, so nobody is"
        faults.append(
            Fault("workspace", f"{who} not a member of {workspace.name!r}; ask its owner, or choose another workspace")
        )
    if allowed_workspaces and workspace.name not in allowed_workspaces:
        names = ", ".join(sorted(allowed_workspaces))
        faults.append(Fault("workspace", f"the catalogue lets notebook {notebook!r} run only in: {names}"))
    if faults:
        raise NotAllowed("not allowed", faults)


def may_see(user: str, workspace: Workspace) -> bool:
    """Whether a user may look at the workspace's runs."""
    return EVERYBODY in workspace.members or user in workspace.members
