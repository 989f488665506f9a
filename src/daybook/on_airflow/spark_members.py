"""Who may start and stop a workspace's Spark server: its members; and whether there is one to start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daybook.catalogue import WORKSPACE
from daybook.contract.errors import Fault, InvalidRequest, NotAllowed
from daybook.contract.keys import SPARK_DAG
from daybook.on_airflow.admission import Passed
from daybook.on_airflow.vouchers import Errand, issue
from daybook.workspaces import Identity, Workspace, Workspaces, may_see


def decide_on_spark(workspaces: Workspaces, conf: Mapping[str, Any], identity: Identity, key: str | None) -> Passed:
    """Lets a conf of the DAG pass, for a user who may trigger it; its task decides it again.

    Args:
        workspaces: as they are now.
        conf: what is asked for.
        identity: who asks.
        key: that vouchers are signed with.

    Raises:
        NotAllowed: they are no member.
        InvalidRequest: there is no such workspace, or none of its servers is Daybook's to start.
    """
    named = conf.get(WORKSPACE)
    if not isinstance(named, str):
        raise InvalidRequest("unknown workspace", [Fault(WORKSPACE, "must be a name")])
    workspace = workspaces.get(named)
    refuse_strangers(identity, workspace)
    require_managed(workspace)
    return passed(identity, SPARK_DAG, workspace, workspaces, key)


def passed(identity: Identity, dag_id: str, workspace: Workspace, workspaces: Workspaces, key: str | None) -> Passed:
    """What passes, with a voucher for its task where somebody is named and there is a key."""
    if key is None or identity.user is None:
        return Passed()
    return Passed(issue(Errand(identity.user, dag_id, workspace.name), identity, workspaces, key))


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
