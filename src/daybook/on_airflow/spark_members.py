"""Who may start and stop a workspace's Spark server: its members; and whether there is one to start."""

from __future__ import annotations

from daybook.contract.errors import Fault, InvalidRequest, NotAllowed
from daybook.workspaces import Identity, Workspace, may_see


def refuse_strangers(identity: Identity, workspace: Workspace) -> None:
    """Lets members pass.

    Raises:
        NotAllowed: somebody is none.
    """
    if not may_see(identity, workspace):
        fault = Fault("workspace", f"you are not a member of {workspace.name!r}; ask its owner")
        raise NotAllowed("not allowed", [fault])


def require_managed(workspace: Workspace) -> None:
    """Lets a workspace pass whose server Daybook starts.

    Raises:
        InvalidRequest: it has none, or one that somebody else runs.
    """
    if workspace.spark is None or workspace.spark.server is None:
        what = (
            "has no Spark" if workspace.spark is None else f"uses {workspace.spark.remote}, which Daybook does not run"
        )
        raise InvalidRequest("no Spark server to start or stop", [Fault("workspace", f"{workspace.name!r} {what}")])
