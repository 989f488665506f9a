"""How a pod comes to the credentials of its workspace's bucket: one small file a kind, all pure, none with a value."""

from __future__ import annotations

from daybook.contract import keys
from daybook.contract.request import RunRequest
from daybook.pods.credentials import secret, service_account, sts
from daybook.pods.credentials.fragment import Fragment
from daybook.workspaces import SecretCredentials, ServiceAccountCredentials, StsCredentials, Workspace

__all__ = ["Fragment", "credentials_for", "credentials_of"]


def credentials_of(workspace: Workspace, request: RunRequest) -> Fragment:
    """What a workspace's kind of credentials adds to the pod of an attempt."""
    this = (request.run_id, request.attempt)
    return credentials_for(workspace, keys.session_name(*this), keys.secret_name(*this))


def credentials_for(workspace: Workspace, session: str, secret_name: str) -> Fragment:
    """What a workspace's kind of credentials adds to a pod.

    Args:
        workspace: whose.
        session: what the pod is called where a role is assumed, and so in the bucket's audit log.
        secret_name: of the Secret with short-lived credentials, where Airflow makes one.
    """
    kind = workspace.credentials
    if isinstance(kind, SecretCredentials):
        return secret.fragment(kind)
    if isinstance(kind, ServiceAccountCredentials):
        return service_account.fragment(kind, session)
    if isinstance(kind, StsCredentials):
        return sts.fragment(secret_name)
    return Fragment()
