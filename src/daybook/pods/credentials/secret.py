"""`secret`: the keys of a Secret that is there already become variables."""

from __future__ import annotations

from kubernetes.client import models as k8s

from daybook.pods.credentials.fragment import Fragment
from daybook.pods.models import new
from daybook.workspaces import SecretCredentials


def fragment(credentials: SecretCredentials) -> Fragment:
    """The Secret's keys as the container's variables."""
    source = new(k8s.V1SecretEnvSource, name=credentials.name)
    return Fragment(env_from=(new(k8s.V1EnvFromSource, secret_ref=source),))
