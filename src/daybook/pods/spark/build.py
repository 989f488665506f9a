"""The Pod, the Secret and the Service of a Spark server, out of the same fragments as the pods of runs."""

from __future__ import annotations

import math
import secrets
from typing import Any, Final

from kubernetes.client import ApiClient
from kubernetes.client import models as k8s

from daybook.contract import keys
from daybook.contract.spark_pod import (
    SPARK_EXECUTOR_CONTAINER,
    SPARK_KEY,
    SPARK_PORT,
    SPARK_READY_FILE,
    SPARK_STATE_FOLDER,
    SPARK_UI_PORT,
    SparkExecutors,
    SparkPod,
)
from daybook.contract.variables import (
    POD_ADDRESS_VARIABLE,
    POD_NAME_VARIABLE,
    SPARK_KEY_VARIABLE,
    SPARK_SERVER_VARIABLE,
    SPARK_STATE_VARIABLE,
)
from daybook.pods.credentials import Fragment, credentials_for, sts
from daybook.pods.credentials.fragment import FOLDER, READABLE, mount
from daybook.pods.environment import plain, variable
from daybook.pods.models import new
from daybook.pods.resources import Resources, disk, requirements
from daybook.pods.scheduling import scheduling
from daybook.pods.security import container_security, pod_security
from daybook.pods.spark.wanted import WantedServer
from daybook.pods.template import added, added_to_spec
from daybook.workspaces.mounts import HOME_FOLDER, TEMPORARY_FOLDER
from daybook.workspaces.pod_template import variables_of

CONTAINER: Final = "spark"
GRACE_SECONDS: Final = 45
"""For Java to end, and its supervisor after it."""
KEY_BYTES: Final = 32
OWN_IDLE_SECONDS: Final = 600.0
"""Of a server that is one run's own, which ends it; it idles so long at most where that could not be done."""
PROBE_SECONDS: Final = 2
"""Between two looks at the mark of readiness; a file's being there costs nothing to look at."""

_KEY_VOLUME: Final = "key"
_KEY_PLACE: Final = FOLDER / "spark"
_WRITABLE: Final = {"spark": SPARK_STATE_FOLDER, "home": HOME_FOLDER, "tmp": TEMPORARY_FOLDER}


def server_pod(wanted: WantedServer, word: str) -> k8s.V1Pod:
    """The pod of a server.

    Args:
        wanted: which.
        word: that no other pod has; it names the Secrets of this very pod, so that none of an earlier one is taken.
    """
    secret = keys.spark_secret_name(wanted.name, word)
    credentials = credentials_for(wanted.workspace, wanted.name, keys.spark_credentials_name(wanted.name, word))
    resources = Resources(wanted.cpu, wanted.memory, wanted.workspace.ephemeral_storage)
    return new(
        k8s.V1Pod,
        api_version="v1",
        kind="Pod",
        metadata=new(
            k8s.V1ObjectMeta,
            name=wanted.name,
            namespace=wanted.workspace.namespace,
            labels=_labels(wanted, "spark-server"),
            annotations={
                **added(wanted.workspace.pod.template, "metadata", "annotations"),
                keys.SPARK_SECRET_ANNOTATION: secret,
            },
        ),
        spec=new(
            k8s.V1PodSpec,
            containers=[_container(wanted, resources, credentials, secret)],
            termination_grace_period_seconds=GRACE_SECONDS,
            # With workers it makes pods itself. Nothing else that runs has a token of Kubernetes'.
            automount_service_account_token=bool(wanted.size.workers),
            volumes=_volumes(resources.ephemeral_storage, credentials, secret),
            **_common(wanted),
        ),
    )


def key_secret(pod: k8s.V1Pod) -> k8s.V1Secret:
    """The Secret with the key of a server's pod, minted now; owned by the pod, and so deleted with it."""
    content = {SPARK_KEY: secrets.token_urlsafe(KEY_BYTES)}
    return k8s.V1Secret(metadata=_owned(pod, secret_of(pod)), string_data=content, type="Opaque")


def credentials_secret_of(pod: k8s.V1Pod, document: str) -> k8s.V1Secret:
    """The Secret with the short-lived credentials of a server's pod, owned by it."""
    metadata = _owned(pod, credentials_of(pod))
    content = {sts.KEY: document, sts.CONFIG: sts.config()}
    return k8s.V1Secret(metadata=metadata, string_data=content, type="Opaque")


def server_service(pod: k8s.V1Pod) -> k8s.V1Service:
    """A headless Service of a server's pod, for people and for what finds it by name; owned by the pod.

    Under a name that no other pod's has: an ended one's may be collected at any time from now.
    """
    ports = [
        k8s.V1ServicePort(name="connect", port=SPARK_PORT, app_protocol="grpc"),
        k8s.V1ServicePort(name="ui", port=SPARK_UI_PORT, app_protocol="http"),
    ]
    selector = {keys.SPARK_LABEL: pod.metadata.labels[keys.SPARK_LABEL], "app.kubernetes.io/component": "spark-server"}
    return k8s.V1Service(
        metadata=_owned(pod, keys.spark_service_name(pod.metadata.name, pod.metadata.uid)),
        spec=k8s.V1ServiceSpec(cluster_ip="None", selector=selector, ports=ports),
    )


def secret_of(pod: k8s.V1Pod) -> str:
    """The Secret with the key of a server's pod."""
    return str((pod.metadata.annotations or {}).get(keys.SPARK_SECRET_ANNOTATION, ""))


def credentials_of(pod: k8s.V1Pod) -> str:
    """The Secret with the short-lived credentials of a server's pod."""
    return f"{secret_of(pod)}-credentials"


def _container(wanted: WantedServer, resources: Resources, credentials: Fragment, secret: str) -> k8s.V1Container:
    return new(
        k8s.V1Container,
        name=CONTAINER,
        image=wanted.server.image,
        image_pull_policy="IfNotPresent",
        args=["pod"],
        env=[*_variables(wanted), *_told(wanted, secret), *credentials.env],
        env_from=list(credentials.env_from) or None,
        resources=requirements(resources),
        volume_mounts=_mounts(credentials),
        ports=[
            new(k8s.V1ContainerPort, name="connect", container_port=SPARK_PORT),
            new(k8s.V1ContainerPort, name="ui", container_port=SPARK_UI_PORT),
        ],
        readiness_probe=new(
            k8s.V1Probe,
            _exec=new(k8s.V1ExecAction, command=["cat", f"{SPARK_STATE_FOLDER}/{SPARK_READY_FILE}"]),
            period_seconds=PROBE_SECONDS,
            timeout_seconds=5,
            failure_threshold=1,
        ),
        security_context=container_security(),
        termination_message_policy="FallbackToLogsOnError",
    )


def _variables(wanted: WantedServer) -> list[Any]:
    return [*variables_of(wanted.workspace.pod.template).values(), *plain(wanted.workspace)]


def _told(wanted: WantedServer, secret: str) -> list[k8s.V1EnvVar]:
    server = wanted.server
    pod = SparkPod(
        name=wanted.name,
        server=wanted.request,
        idle_seconds=min(server.idle_minutes * 60, OWN_IDLE_SECONDS if wanted.owner is not None else math.inf),
        start_seconds=server.start_seconds,
        executors=_executors(wanted, secret) if wanted.size.workers else None,
    )
    return [
        variable(SPARK_SERVER_VARIABLE, pod.model_dump_json()),
        variable(SPARK_KEY_VARIABLE, str(_KEY_PLACE / SPARK_KEY)),
        variable(SPARK_STATE_VARIABLE, SPARK_STATE_FOLDER),
        _field(POD_ADDRESS_VARIABLE, "status.podIP"),
        _field(POD_NAME_VARIABLE, "metadata.name"),
    ]


def _executors(wanted: WantedServer, secret: str) -> SparkExecutors:
    # The word is in the name of the key's Secret already.
    credentials = credentials_for(wanted.workspace, wanted.name, f"{secret}-credentials")
    container = new(
        k8s.V1Container,
        name=SPARK_EXECUTOR_CONTAINER,
        env=[
            *_variables(wanted),
            variable(SPARK_STATE_VARIABLE, SPARK_STATE_FOLDER),
            *credentials.env,
            *_leading_to(credentials),
        ],
        env_from=list(credentials.env_from) or None,
        resources=disk(wanted.workspace.ephemeral_storage),  # processors and memory are Spark's to say
        volume_mounts=_mounts(credentials),
        security_context=container_security(),
    )
    pod = new(
        k8s.V1Pod,
        metadata=new(k8s.V1ObjectMeta, labels=_labels(wanted, "spark-executor")),
        spec=new(
            k8s.V1PodSpec,
            containers=[container],
            volumes=_volumes(wanted.workspace.ephemeral_storage, credentials, secret),
            automount_service_account_token=False,
            **_common(wanted),
        ),
    )
    return SparkExecutors(
        namespace=wanted.workspace.namespace,
        image=wanted.server.image,
        service_account=wanted.service_account,
        template=_document(pod),
    )


def _leading_to(credentials: Fragment) -> list[k8s.V1EnvVar]:
    """What leads AWS's libraries to short-lived credentials; a server writes that itself, an executor does not."""
    short_lived = any(each.name == sts.VOLUME for each in credentials.volumes)
    return [variable(sts.CONFIG_VARIABLE, str(sts.PLACE / sts.CONFIG))] if short_lived else []


def _common(wanted: WantedServer) -> dict[str, Any]:
    return {
        "restart_policy": "Never",
        "service_account_name": wanted.service_account,
        "enable_service_links": False,
        "host_network": False,
        "host_pid": False,
        "host_ipc": False,
        "security_context": pod_security(),
        **scheduling(wanted.workspace),
        **added_to_spec(wanted.workspace.pod.template),
    }


def _labels(wanted: WantedServer, component: str) -> dict[str, str]:
    found = {
        **added(wanted.workspace.pod.template, "metadata", "labels"),
        "app.kubernetes.io/name": "daybook",
        "app.kubernetes.io/component": component,
        keys.WORKSPACE_LABEL: keys.label_value(wanted.workspace.name),
        keys.SPARK_LABEL: wanted.name,
        keys.SPARK_PROFILE_LABEL: wanted.profile,
    }
    if wanted.owner is not None:
        found[keys.SPARK_OWNER_LABEL] = keys.label_value(wanted.owner[0])
    return found


def _volumes(ephemeral_storage: str, credentials: Fragment, secret: str) -> list[k8s.V1Volume]:
    own = [
        new(k8s.V1Volume, name=name, empty_dir=new(k8s.V1EmptyDirVolumeSource, size_limit=ephemeral_storage))
        for name in _WRITABLE
    ]
    key = new(k8s.V1SecretVolumeSource, secret_name=secret, default_mode=READABLE, optional=False)
    return [*own, new(k8s.V1Volume, name=_KEY_VOLUME, secret=key), *credentials.volumes]


def _mounts(credentials: Fragment) -> list[k8s.V1VolumeMount]:
    own = [new(k8s.V1VolumeMount, name=name, mount_path=path) for name, path in _WRITABLE.items()]
    return [*own, mount(_KEY_VOLUME, _KEY_PLACE), *credentials.mounts]


def _field(name: str, path: str) -> k8s.V1EnvVar:
    source = new(k8s.V1EnvVarSource, field_ref=new(k8s.V1ObjectFieldSelector, field_path=path))
    return new(k8s.V1EnvVar, name=name, value_from=source)


def _owned(pod: k8s.V1Pod, name: str) -> k8s.V1ObjectMeta:
    labels = {name: value for name, value in pod.metadata.labels.items() if name.startswith(keys.LABEL_PREFIX)}
    owner = k8s.V1OwnerReference(api_version="v1", kind="Pod", name=pod.metadata.name, uid=pod.metadata.uid)
    return k8s.V1ObjectMeta(
        name=name,
        namespace=pod.metadata.namespace,
        labels={"app.kubernetes.io/name": "daybook", "app.kubernetes.io/component": "spark-server", **labels},
        owner_references=[owner],
    )


def _document(pod: k8s.V1Pod) -> dict[str, Any]:
    found: dict[str, Any] = ApiClient().sanitize_for_serialization(pod)
    return {"apiVersion": "v1", "kind": "Pod", **found}
