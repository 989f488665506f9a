"""Where and how a pod is placed, as its workspace says."""

from __future__ import annotations

from typing import Any

from kubernetes.client import models as k8s

from daybook.pods.models import new
from daybook.workspaces import Toleration, Workspace


def scheduling(workspace: Workspace) -> dict[str, Any]:
    """Members of the pod's spec: node selector, tolerations, classes, and the Secrets by which images are pulled."""
    settings = workspace.pod
    return {
        "node_selector": dict(settings.node_selector) or None,
        "tolerations": [_toleration(each) for each in settings.tolerations] or None,
        "runtime_class_name": settings.runtime_class,
        "priority_class_name": settings.priority_class,
        "image_pull_secrets": [new(k8s.V1LocalObjectReference, name=each) for each in settings.pull_secrets] or None,
    }


def _toleration(toleration: Toleration) -> k8s.V1Toleration:
    return new(
        k8s.V1Toleration,
        key=toleration.key,
        operator=toleration.operator,
        value=toleration.value,
        effect=toleration.effect,
        toleration_seconds=toleration.toleration_seconds,
    )
