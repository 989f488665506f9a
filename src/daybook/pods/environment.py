"""The container's variables: the request, what the workspace sets, and references to Secrets."""

from __future__ import annotations

from typing import Any

from kubernetes.client import models as k8s

from daybook.contract import databricks
from daybook.contract.databricks import is_databricks
from daybook.contract.request import (
    REQUEST_VARIABLE,
    SECRET_VARIABLE_PREFIX,
    SPARK_REMOTE_VARIABLE,
    SPARK_TOKEN_VARIABLE,
    RunRequest,
    require_travels,
)
from daybook.contract.variables import NETWORK_POLICIES_VARIABLE
from daybook.pods.models import new
from daybook.workspaces import Workspace
from daybook.workspaces.mounts import HOME_FOLDER, HOME_VARIABLE
from daybook.workspaces.pod_template import variables_of


def variables(request: RunRequest, workspace: Workspace) -> list[Any]:
    """The container's variables; of two with one name Kubernetes takes the last, so the template's come first.

    Raises:
        InvalidRequest: the request is too large to travel.
    """
    return [
        *variables_of(workspace.pod.template).values(),
        *_request(request),
        *plain(workspace),
        *_spark(workspace),
        *_databricks(request, workspace),
        *_secrets(request, workspace),
        *_network(workspace),
    ]


def _request(request: RunRequest) -> list[k8s.V1EnvVar]:
    document = request.to_json()
    require_travels(document)
    return [variable(REQUEST_VARIABLE, document)]


def plain(workspace: Workspace) -> list[k8s.V1EnvVar]:
    """What the workspace sets for all of its pods."""
    # HOME, since an image's own may lie where nobody can write: the root is read-only.
    found = {HOME_VARIABLE: HOME_FOLDER, **workspace.store_environment, **workspace.environment}
    return [variable(name, value) for name, value in sorted(found.items())]


def _spark(workspace: Workspace) -> list[k8s.V1EnvVar]:
    if workspace.spark is None or workspace.spark.remote is None:
        return []
    found = [variable(SPARK_REMOTE_VARIABLE, workspace.spark.remote)]
    if workspace.spark.token:
        token = workspace.spark.token
        found.append(_from_secret(SPARK_TOKEN_VARIABLE, token.name, token.key))
    return found


def _databricks(request: RunRequest, workspace: Workspace) -> list[k8s.V1EnvVar]:
    """For the kernel `databricks` alone: its cells run elsewhere and never see these, any other kernel's would."""
    settings = workspace.databricks
    if settings is None or not is_databricks(request.notebook.kernel):
        return []
    found = [
        variable(databricks.HOST_VARIABLE, settings.host),
        variable(databricks.CLUSTER_VARIABLE, settings.cluster_id),
        *(variable(name, value) for name, value in settings.variables.items()),
        # So that the SDK takes this way and no other one that an image or another Secret may offer.
        variable(databricks.AUTH_TYPE_VARIABLE, "pat" if settings.oauth is None else "oauth-m2m"),
    ]
    if settings.token is not None:
        found.append(_from_secret(databricks.TOKEN_VARIABLE, settings.token.name, settings.token.key))
    if settings.oauth is not None:
        secret = settings.oauth.client_secret
        found.append(variable(databricks.CLIENT_ID_VARIABLE, settings.oauth.client_id))
        found.append(_from_secret(databricks.CLIENT_SECRET_VARIABLE, secret.name, secret.key))
    return found


def _secrets(request: RunRequest, workspace: Workspace) -> list[k8s.V1EnvVar]:
    return [
        _from_secret(SECRET_VARIABLE_PREFIX + name, workspace.secret, key)
        for name, key in sorted(request.secrets.items())
    ]


def variable(name: str, value: str) -> k8s.V1EnvVar:
    """A variable that reaches the container exactly as it is given.

    Kubernetes expands `$(NAME)` in values, makes one dollar sign of two, and garbles what is not ASCII after one
    (third_party/forked/golang/expansion): so every dollar sign is doubled.
    """
    return new(k8s.V1EnvVar, name=name, value=value.replace("$", "$$"))


def _from_secret(variable: str, secret: str, key: str) -> k8s.V1EnvVar:
    selector = new(k8s.V1SecretKeySelector, name=secret, key=key)
    return new(k8s.V1EnvVar, name=variable, value_from=new(k8s.V1EnvVarSource, secret_key_ref=selector))


def _network(workspace: Workspace) -> list[k8s.V1EnvVar]:
    wanted = workspace.pod.network_policies
    return [new(k8s.V1EnvVar, name=NETWORK_POLICIES_VARIABLE, value=wanted)] if wanted else []
