"""The pod of one attempt, put together from fragments: each a pure function of one concern."""

from __future__ import annotations

from kubernetes.client import models as k8s

from daybook.contract.request import RunRequest
from daybook.pods.credentials import Fragment, credentials_of
from daybook.pods.environment import variables
from daybook.pods.metadata import metadata
from daybook.pods.models import new
from daybook.pods.resources import Resources, requirements
from daybook.pods.scheduling import scheduling
from daybook.pods.security import container_security, pod_security
from daybook.pods.template import added_to_spec
from daybook.pods.timing import GRACE_SECONDS, deadline
from daybook.pods.volumes import mounts, volumes
from daybook.workspaces import Workspace
from daybook.workspaces.apart import DEFAULT_SERVICE_ACCOUNT
from daybook.workspaces.mounts import WORKING_FOLDER
from daybook.workspaces.pod_template import CONTAINER


def build_pod(request: RunRequest, workspace: Workspace, resources: Resources) -> k8s.V1Pod:
    """The pod that executes one attempt of a run.

    Args:
        request: what to run; travels in the pod's environment.
        workspace: where; gives namespace, service account, Spark, Secrets, volumes, placement and template.
        resources: CPU, memory, disk and GPUs of the pod.

    Raises:
        InvalidRequest: the request is too large to travel.
    """
    credentials = credentials_of(workspace, request)
    return new(
        k8s.V1Pod,
        api_version="v1",
        kind="Pod",
        metadata=metadata(request, workspace),
        spec=new(
            k8s.V1PodSpec,
            restart_policy="Never",
            containers=[_container(request, workspace, resources, credentials)],
            volumes=[*volumes(workspace, resources), *credentials.volumes],
            # Kubernetes' own choice, said aloud: no right of its own, and its token is not mounted.
            service_account_name=workspace.service_account or DEFAULT_SERVICE_ACCOUNT,
            automount_service_account_token=False,
            # Each Service of the namespace would be seven variables, and tell a notebook what there is.
            enable_service_links=False,
            host_network=False,
            host_pid=False,
            host_ipc=False,
            security_context=pod_security(),
            termination_grace_period_seconds=GRACE_SECONDS,
            active_deadline_seconds=deadline(request, workspace),
            **scheduling(workspace),
            **added_to_spec(workspace.pod.template),
        ),
    )


def _container(
    request: RunRequest, workspace: Workspace, resources: Resources, credentials: Fragment
) -> k8s.V1Container:
    return new(
        k8s.V1Container,
        name=CONTAINER,
        image=request.image or workspace.image,
        # Kubernetes' default for `latest` is Always, which fails where an image was put onto the node by hand (kind,
        # k3s). Whoever wants the newest bytes under one name has a digest for it.
        image_pull_policy="IfNotPresent",
        # `args`, not `command`: an image's entrypoint may set up what its notebooks need.
        args=["execute"],
        working_dir=WORKING_FOLDER,
        env=[*variables(request, workspace), *credentials.env],
        env_from=list(credentials.env_from) or None,
        resources=requirements(resources),
        volume_mounts=[*mounts(workspace), *credentials.mounts],
        security_context=container_security(),
        # The runner's last lines say why it ended; they become the container's termination message.
        termination_message_policy="FallbackToLogsOnError",
    )
