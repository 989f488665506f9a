"""The DAG `spark_servers`: starts or stops a workspace's Spark server when one of its members asks for it.

Runs need nothing of it: each has its server made. It is for people who want one to be warm before they come, or gone
after they went; pages and command line trigger it. It decides anew who may, for Airflow lets others trigger it, too.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task
from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from daybook.contract.errors import DaybookError, InfrastructureFailed, InvalidRequest, StoreFailed
from daybook.contract.keys import SPARK_DAG, SPARK_OWNER_LABEL
from daybook.on_airflow.clean_up import KUBERNETES
from daybook.on_airflow.credentials.connections import handed_over
from daybook.on_airflow.errors import as_airflow
from daybook.on_airflow.plan import TaskInstance
from daybook.on_airflow.settings import Settings
from daybook.on_airflow.spark_members import refuse_strangers, require_managed
from daybook.on_airflow.spark_servers.servers import SparkServers, labels_of_workspace
from daybook.on_airflow.vouchers import Errand, NotVouched, redeem
from daybook.pods.spark import Ended, WantedServer
from daybook.storage import Store
from daybook.storage.spark_states import send_to_spark
from daybook.workspaces import Identity, Workspace

START, STOP = "start", "stop"
DEED_SECONDS = 600
_ASK_SECONDS = 60.0
log = logging.getLogger(__name__)


def spark_dag() -> DAG:
    """The DAG; who may trigger it is Airflow's own permission, for which workspace is Daybook's."""
    dag = DAG(
        dag_id=SPARK_DAG,
        dag_display_name="Spark servers",
        description="Starts or stops a workspace's Spark server; runs have theirs started by themselves.",
        params={
            "workspace": Param(type="string", title="Workspace", description="Whose server."),
            "action": Param(START, type="string", enum=[START, STOP], title="What"),
        },
        schedule=None,
        tags={"daybook"},
        default_args={"owner": "daybook"},
        is_paused_upon_creation=False,
        auto_register=False,
    )
    with dag:
        serve()
    return dag


@task(task_id="server", execution_timeout=timedelta(seconds=DEED_SECONDS))
def serve() -> dict[str, Any]:
    """Does what is asked for; its XCom names the servers that were started or stopped.

    Raises:
        AirflowFailException: whoever asks is no member, or the workspace has no server that Daybook starts.
        AirflowException: Kubernetes does not do it.
    """
    context = get_current_context()
    params = context["params"]
    try:
        settings = Settings.from_environment(os.environ)
        workspace = settings.load_workspaces().get(params["workspace"])
        require_member(workspace, TaskInstance.from_context(context), settings.voucher_key())
        require_managed(workspace)
        bucket = settings.open_bucket(workspace)
        servers = SparkServers(client, lambda session: handed_over(workspace, settings.store_environment, session))
        done = (
            started(servers, workspace, bucket) if params["action"] == START else stopped(servers, client(), workspace)
        )
    except DaybookError as error:
        raise as_airflow(error) from error
    log.info("Workspace %s: %s", workspace.name, done)
    return done


def require_member(workspace: Workspace, task_instance: TaskInstance, voucher_key: str | None) -> None:
    """Lets pass whoever may look at the workspace's runs, as Airflow vouches for them.

    Raises:
        NotAllowed: they may not.
    """
    identity = Identity(task_instance.user)
    if task_instance.user and task_instance.voucher is not None and voucher_key is not None:
        with suppress(NotVouched):
            errand = Errand(task_instance.user, task_instance.coordinates.dag_id, workspace.name)
            identity = redeem(task_instance.voucher, errand, voucher_key)
    refuse_strangers(identity, workspace)


def started(servers: SparkServers, workspace: Workspace, bucket: Store) -> dict[str, Any]:
    """Has the workspace's server made, unless it is there; one that is there counts as used.

    Raises:
        InfrastructureFailed: it cannot be had; the text says why.
    """
    wanted = WantedServer.of(workspace, None, None, {})
    if wanted is None:
        raise InvalidRequest(f"workspace {workspace.name!r} has no Spark server that Daybook starts")
    try:
        send_to_spark(bucket, wanted.name)
    except StoreFailed as error:
        log.warning("Spark server %s does not know that it is wanted: %s", wanted.name, error)
    found = servers.ensure(wanted)
    if isinstance(found.look, Ended):
        raise InfrastructureFailed(
            f"an earlier Spark server {found.name} still ends: {found.look.why}; ask again later"
        )
    return {"started": found.name}


def stopped(servers: SparkServers, api: CoreV1Api, workspace: Workspace) -> dict[str, Any]:
    """Ends the workspace's servers; those of a run's own end with their runs.

    Raises:
        InfrastructureFailed: Kubernetes refuses, or does not answer.
    """
    selector = f"{labels_of_workspace(workspace.name)},!{SPARK_OWNER_LABEL}"
    try:
        pods = api.list_namespaced_pod(
            workspace.namespace, label_selector=selector, _request_timeout=_ASK_SECONDS
        ).items
    except (ApiException, HTTPError) as error:
        raise InfrastructureFailed(
            f"Kubernetes does not tell the Spark servers of {workspace.name}: {error}"
        ) from error
    for pod in pods:
        servers.remove(pod.metadata.name, pod.metadata.namespace, pod.metadata.uid)
    return {"stopped": [pod.metadata.name for pod in pods]}


def client() -> CoreV1Api:
    """The cluster, by the connection that runs use unless told otherwise."""
    from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

    found: CoreV1Api = KubernetesHook(conn_id=KUBERNETES).core_v1_client
    return found
