"""The pod of one attempt, put together from fragments."""

from __future__ import annotations

from math import ceil

from kubernetes.client import models as k8s

from daybook.contract import keys
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.request import (
    MAX_REQUEST_BYTES,
    REQUEST_VARIABLE,
    SECRET_VARIABLE_PREFIX,
    SPARK_REMOTE_VARIABLE,
    SPARK_TOKEN_VARIABLE,
    RunRequest,
)
from daybook.pods.credentials import Fragment, credentials_of
from daybook.pods.resources import Resources
from daybook.workspaces import Workspace

CONTAINER = "notebook"

GRACE_SECONDS = 60
"""Between SIGTERM and SIGKILL: the runner interrupts the kernel, uploads what there is and seals the manifest."""

DEADLINE_MARGIN_SECONDS = 300
"""The pod's deadline lies this much behind the run's own time limit, so that the runner ends the run, not Kubernetes:
kernel start, upload and seal fit into it."""

MAX_DEADLINE_SECONDS = 2**31 - 1
"""Kubernetes refuses a longer deadline."""

WORKING_VOLUME = "work"
WORKING_FOLDER = "/home/daybook/work"


def build_pod(request: RunRequest, workspace: Workspace, resources: Resources) -> k8s.V1Pod:
    """The pod that executes one attempt of a run.

    Args:
        request: what to run; travels in the pod's environment.
        workspace: where; gives namespace, service account, Spark and Secrets.
        resources: CPU and memory of the pod.

    Raises:
        InvalidRequest: the request is too large to travel.
    """
    credentials = credentials_of(workspace, request)
    return k8s.V1Pod(
        api_version="v1",
        kind="Pod",
        metadata=k8s.V1ObjectMeta(
            name=keys.pod_name(request.run_id, request.attempt),
            namespace=workspace.namespace,
            labels=labels(request),
            annotations={
                f"{keys.LABEL_PREFIX}/notebook": request.notebook.id,
                f"{keys.LABEL_PREFIX}/run": request.run_id,
            },
        ),
        spec=k8s.V1PodSpec(
            restart_policy="Never",
            containers=[_container(request, workspace, resources, credentials)],
            volumes=[
                k8s.V1Volume(name=WORKING_VOLUME, empty_dir=k8s.V1EmptyDirVolumeSource()),
                *credentials.volumes,
            ],
            service_account_name=workspace.service_account,
            automount_service_account_token=False,
            security_context=_pod_security(),
            termination_grace_period_seconds=GRACE_SECONDS,
            active_deadline_seconds=_deadline(request),
        ),
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


def _container(
    request: RunRequest, workspace: Workspace, resources: Resources, credentials: Fragment
) -> k8s.V1Container:
    return k8s.V1Container(
        name=CONTAINER,
        image=request.image or workspace.image,
        # `args`, not `command`: an image's entrypoint may set up what its notebooks need.
        args=["execute"],
        working_dir=WORKING_FOLDER,
        env=[
            *_request(request),
            *_plain(workspace),
            *credentials.env,
            *_spark(workspace),
            *_secrets(request, workspace),
        ],
        env_from=list(credentials.env_from) or None,
        resources=k8s.V1ResourceRequirements(
            requests={"cpu": resources.cpu, "memory": resources.memory},
            limits={"memory": resources.memory},
        ),
        volume_mounts=[k8s.V1VolumeMount(name=WORKING_VOLUME, mount_path=WORKING_FOLDER), *credentials.mounts],
        security_context=k8s.V1SecurityContext(
            allow_privilege_escalation=False,
            capabilities=k8s.V1Capabilities(drop=["ALL"]),
        ),
        # The runner's last lines say why it ended; they become the container's termination message.
        termination_message_policy="FallbackToLogsOnError",
    )


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
    return [
        _variable(name, value)
        for name, value in sorted({**workspace.store_environment, **workspace.environment}.items())
    ]


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
    return k8s.V1EnvVar(name=name, value=value.replace("$", "$$"))


def _from_secret(variable: str, secret: str, key: str) -> k8s.V1EnvVar:
    selector = k8s.V1SecretKeySelector(name=secret, key=key)
    return k8s.V1EnvVar(name=variable, value_from=k8s.V1EnvVarSource(secret_key_ref=selector))


def _pod_security() -> k8s.V1PodSecurityContext:
    return k8s.V1PodSecurityContext(run_as_non_root=True, seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"))


def _deadline(request: RunRequest) -> int | None:
    timeout = request.limits.timeout_seconds
    return None if timeout is None else min(ceil(timeout) + DEADLINE_MARGIN_SECONDS, MAX_DEADLINE_SECONDS)
