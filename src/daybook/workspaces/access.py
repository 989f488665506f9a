"""The one decision: may this user run this notebook in this workspace?"""

from __future__ import annotations

from collections.abc import Collection

from daybook.contract.errors import Fault, NotAllowed
from daybook.workspaces.members import Identity
from daybook.workspaces.workspace import Workspace


def require_access(
    identity: Identity, workspace: Workspace, notebook: str, allowed_workspaces: Collection[str]
) -> None:
    """Lets a run pass, or refuses it with every reason.

    Args:
        identity: whom Airflow vouches for.
        workspace: where the run is to be.
        notebook: the notebook's id.
        allowed_workspaces: the workspaces that the catalogue names for the notebook; none named means any.

    Raises:
        NotAllowed: this user may not run this notebook there.
    """
    faults = []
    if not workspace.members.include(identity):
        who = f"user {identity.user!r} is" if identity.user else "nobody is named for this run, so nobody is"
        faults.append(
            Fault("workspace", f"{who} not a member of {workspace.name!r}; ask its owner, or choose another workspace")
        )
    if allowed_workspaces and workspace.name not in allowed_workspaces:
        names = ", ".join(sorted(allowed_workspaces))
        faults.append(Fault("workspace", f"the catalogue lets notebook {notebook!r} run only in: {names}"))
    if faults:
        raise NotAllowed("not allowed", faults)


def may_see(identity: Identity, workspace: Workspace) -> bool:
    """Whether somebody may look at the workspace's runs."""
    return workspace.members.include(identity)
