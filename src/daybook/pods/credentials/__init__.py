"""How a pod comes to the credentials of its workspace's bucket: one small file a kind, all pure, none with a value."""

from __future__ import annotations

from daybook.contract.request import RunRequest
from daybook.pods.credentials import secret, service_account, sts
from daybook.pods.credentials.fragment import Fragment
from daybook.workspaces import SecretCredentials, ServiceAccountCredentials, StsCredentials, Workspace

__all__ = ["Fragment", "credentials_of"]


def credentials_of(workspace: Workspace, request: RunRequest) -> Fragment:
    """What a workspace's kind of credentials adds to the pod of an attempt."""
    kind = workspace.credentials
    if isinstance(kind, SecretCredentials):
        return secret.fragment(kind)
    if isinstance(kind, ServiceAccountCredentials):
        return service_account.fragment(kind, request)
    if isinstance(kind, StsCredentials):
        return sts.fragment(request)
    return Fragment()
