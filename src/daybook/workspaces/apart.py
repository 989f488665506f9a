"""What no two workspaces may share, since whoever runs in one could be what the other one's bucket trusts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from daybook.workspaces.credentials import SecretCredentials, ServiceAccountCredentials

if TYPE_CHECKING:
    from daybook.workspaces.workspace import Workspace

DEFAULT_SERVICE_ACCOUNT = "default"
"""Kubernetes' own, which pods run as whose workspace names none."""


def apart(workspaces: tuple[Workspace, ...]) -> tuple[Workspace, ...]:
    """The workspaces, where none holds what another one's bucket trusts; a validator.

    Two workspaces of kind `sts` may share a role: each pod's session is narrowed down to its own prefix.

    Raises:
        ValueError: names every two that share, and what.
    """
    faults = [fault for one, other in combinations(workspaces, 2) for fault in _shared(one, other)]
    if faults:
        raise ValueError("; ".join(faults))
    return workspaces


def _keys(workspace: Workspace) -> set[str]:
    """The Secrets that the workspace's bucket trusts."""
    return {workspace.credentials.name} if isinstance(workspace.credentials, SecretCredentials) else set()


def reach(workspace: Workspace) -> set[str]:
    """The Secrets whose keys its pods can have: a member names any key of one of them as a secret input."""
    volumes = {each.secret for each in workspace.pod.volumes if each.secret is not None}
    return {workspace.secret, *volumes, *_keys(workspace)}


def _databricks(one: Workspace, other: Workspace) -> set[str]:
    """The Secrets by which one of them is known to Databricks and that the other one's runs can have."""
    pairs = ((one, other), (other, one))
    return {name for of, by in pairs if of.databricks for name in of.databricks.secrets & reach(by)}


def _shared(one: Workspace, other: Workspace) -> Iterator[str]:
    both = f"{one.name} and {other.name} share"
    kinds = (one.credentials, other.credentials)
    web_identity = any(isinstance(each, ServiceAccountCredentials) for each in kinds)
    roles = {role for each in kinds if (role := getattr(each, "role_arn", None))}
    if web_identity and len(roles) == 1 and all(hasattr(each, "role_arn") for each in kinds):
        yield f"{both} the role {roles.pop()}; give each its own"
    if one.namespace != other.namespace:
        return
    accounts = {each.service_account or DEFAULT_SERVICE_ACCOUNT for each in (one, other)}
    if web_identity and len(accounts) == 1:
        yield f"{both} the service account {accounts.pop()}; give each its own"
    for secret in sorted((_keys(one) & reach(other)) | (_keys(other) & reach(one)) | _databricks(one, other)):
        yield f"{both} the Secret {secret}; give each its own"
    in_pods = one.runs_in == other.runs_in == "pod"  # without a pod there are no secret inputs
    if in_pods and one.secret == other.secret and one.members != other.members:
        # Secret inputs name keys of it: a member of the one could have a value of the other's.
        yield f"{both} the Secret {one.secret} for secret inputs, but not their members; give one another `secret`"
