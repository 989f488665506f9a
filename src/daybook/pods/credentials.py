"""How the pod comes to the credentials of its bucket: by reference, never a value."""

from __future__ import annotations

from kubernetes.client import models as k8s

from daybook.pods.models import new
from daybook.workspaces import SecretCredentials, Workspace


def env_from(workspace: Workspace) -> list[k8s.V1EnvFromSource] | None:
    """The Secrets whose keys become variables."""
    if not isinstance(workspace.credentials, SecretCredentials):
        return None
    return [new(k8s.V1EnvFromSource, secret_ref=new(k8s.V1SecretEnvSource, name=workspace.credentials.name))]
