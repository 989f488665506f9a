"""The container's variables: the request, what the workspace sets, and references to Secrets."""

from __future__ import annotations

from typing import Any

from kubernetes.client import models as k8s

from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.request import (
    MAX_REQUEST_BYTES,
    REQUEST_VARIABLE,
    SECRET_VARIABLE_PREFIX,
    SPARK_REMOTE_VARIABLE,
    SPARK_TOKEN_VARIABLE,
    RunRequest,
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
        *_plain(workspace),
        *_spark(workspace),
        *_secrets(request, workspace),
        *_network(workspace),
    ]


def _request(request: RunRequest) -> list[k8s.V1EnvVar]:
    document = request.to_json()
    size = len(document.encode())
    if size > MAX_REQUEST_BYTES:
        message = (
            f"the parameters make a request of {size} bytes, and {MAX_REQUEST_BYTES} can travel to a pod; "
            "put large values into a file and pass its URL"
        )
        raise InvalidRequest("the request is too large", [Fault("parameters", message)])
    return [_variable(REQUEST_VARIABLE, document)]


def _plain(workspace: Workspace) -> list[k8s.V1EnvVar]:
    # HOME, since an image's own may lie where nobody can write: the root is read-only.
    found = {HOME_VARIABLE: HOME_FOLDER, **workspace.store_environment, **workspace.environment}
    return [_variable(name, value) for name, value in sorted(found.items())]


def _spark(workspace: Workspace) -> list[k8s.V1EnvVar]:
    if workspace.spark is None:
        return []
    variables = [_variable(SPARK_REMOTE_VARIABLE, workspace.spark.remote)]
    if workspace.spark.token:
        token = workspace.spark.token
        variables.append(_from_secret(SPARK_TOKEN_VARIABLE, token.name, token.key))
    return variables


def _secrets(request: RunRequest, workspace: Workspace) -> list[k8s.V1EnvVar]:
    return [
        _from_secret(SECRET_VARIABLE_PREFIX + name, workspace.secret, key)
        for name, key in sorted(request.secrets.items())
    ]


def _variable(name: str, value: str) -> k8s.V1EnvVar:
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
