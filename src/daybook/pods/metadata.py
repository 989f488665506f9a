"""The pod's name, and the labels and annotations that tell whose it is."""

from __future__ import annotations

from kubernetes.client import models as k8s

from daybook.contract import keys
from daybook.contract.request import RunRequest
from daybook.pods.models import new
from daybook.pods.template import added
from daybook.workspaces import Workspace


def metadata(request: RunRequest, workspace: Workspace) -> k8s.V1ObjectMeta:
    """Ours, and what the workspace's template adds; ours win."""
    template = workspace.pod.template
    return new(
        k8s.V1ObjectMeta,
        name=keys.pod_name(request.run_id, request.attempt),
        namespace=workspace.namespace,
        labels={**added(template, "metadata", "labels"), **labels(request)},
        annotations={**added(template, "metadata", "annotations"), **_annotations(request)},
    )


def labels(request: RunRequest) -> dict[str, str]:
    """What finds the pod again: run and attempt are the fence, the rest is for people and network policies."""
    found = {
        "app.kubernetes.io/name": "daybook",
        "app.kubernetes.io/component": "run",
        keys.RUN_LABEL: keys.label_value(request.run_id),
        keys.ATTEMPT_LABEL: str(request.attempt),
        keys.NOTEBOOK_LABEL: keys.label_value(request.notebook.id),
        keys.WORKSPACE_LABEL: keys.label_value(request.workspace),
    }
    if request.user:
        found[keys.USER_LABEL] = keys.label_value(request.user)
    return found


def _annotations(request: RunRequest) -> dict[str, str]:
    return {
        f"{keys.LABEL_PREFIX}/notebook": request.notebook.id,
        f"{keys.LABEL_PREFIX}/run": request.run_id,
    }
