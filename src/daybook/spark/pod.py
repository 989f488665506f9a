"""A Spark Connect server in a pod of its own: what Java is started with there, and who watches over it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from daybook.contract.errors import ExitCode, Fault, InvalidRequest
from daybook.contract.spark_pod import (
    SPARK_BLOCK_PORT,
    SPARK_DRIVER_PORT,
    SPARK_EXECUTOR_CONTAINER,
    SPARK_PORT,
    SPARK_READY_FILE,
    SPARK_UI_PORT,
    SparkExecutors,
    SparkPod,
    in_url,
)
from daybook.contract.variables import (
    CREDENTIALS_FILE_VARIABLE,
    POD_ADDRESS_VARIABLE,
    POD_NAME_VARIABLE,
    SPARK_KEY_VARIABLE,
    SPARK_SERVER_VARIABLE,
    SPARK_STATE_VARIABLE,
    SPARK_TOKEN_VARIABLE,
)
from daybook.spark.activity import Activity
from daybook.spark.announcing import Announcing
from daybook.spark.archive import archive_file
from daybook.spark.asking import Asking
from daybook.spark.configuration import EVENT_LOG, Installed, server_configuration
from daybook.spark.jars import installed
from daybook.spark.java import find_java
from daybook.spark.process import java_environment, spark_home, write_properties
from daybook.spark.server import UI_SETTING, prepare, read_token, require_free, server_command
from daybook.spark.supervisor import Patience, Supervisor
from daybook.storage import Store, open_store

CLUSTER_VARIABLE = "KUBERNETES_SERVICE_HOST"
"""Kubernetes gives it to every container; localpods does not, since there it could make no further pods."""
DEFAULT_HEAP = "1g"
_PORTS = {
    "Spark Connect": SPARK_PORT,
    "Spark's pages": SPARK_UI_PORT,
    "driver": SPARK_DRIVER_PORT,
    "blocks": SPARK_BLOCK_PORT,
}
_KEEPS_FOLDER = ".daybook"
_CONFIG_VARIABLE = "AWS_CONFIG_FILE"
_NEEDED = (SPARK_SERVER_VARIABLE, SPARK_KEY_VARIABLE, SPARK_STATE_VARIABLE, POD_ADDRESS_VARIABLE)


def serve_in_pod(environment: Mapping[str, str]) -> ExitCode:
    """Runs the server that the pod is for, to its end.

    Args:
        environment: the pod's; it says which server, and where its files are.

    Raises:
        InvalidRequest: the key, or what is asked for, will not do.
        InvalidSettings: no usable Java or Spark, or settings that cannot be; every fault is named.
        StoreFailed: the bucket does not take the event log that is asked for.
    """
    # A container's first process is not ended by a signal that it has not asked for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.SUCCEEDED))
    pod = read_pod(environment)
    key_file, state = Path(environment[SPARK_KEY_VARIABLE]), Path(environment[SPARK_STATE_VARIABLE])
    ready = state / SPARK_READY_FILE
    ready.unlink(missing_ok=True)  # of a container before this one in the pod, which was killed
    key = read_token(key_file)
    address = environment[POD_ADDRESS_VARIABLE]
    require_free(address, _PORTS)
    home, java = spark_home(), find_java(environment)
    temporary = prepare(state)
    settings = pod_settings(pod, environment, installed(home), key_file, state)
    write_properties(state / "spark.properties", settings)
    if pod.server.event_log:
        make_event_log_folder(open_store(pod.server.bucket.url, environment))
    options = java_options(pod, environment, archive_file(java, home))
    heap = settings.get("spark.driver.memory", DEFAULT_HEAP)
    variables = {**java_environment(environment, home), **_credentials(environment, state)}
    process = subprocess.Popen(
        server_command(java, home, heap, state, temporary, options, address),
        env={**variables, SPARK_TOKEN_VARIABLE: key, "SPARK_LOCAL_IP": pages_address(environment)},
        cwd=state,
        stdin=subprocess.DEVNULL,
        process_group=0,
    )
    asking = Asking(f"{in_url(address)}:{SPARK_PORT}", key)
    activity = Activity(process.pid, address, SPARK_PORT, SPARK_UI_PORT, lambda: asking.sessions)
    announcing = Announcing.of(pod, address, ready, environment, _say)
    supervisor = Supervisor(
        process,
        asking,
        announcing.looking(activity),
        ready,
        Patience(pod.start_seconds, pod.idle_seconds),
        announcing.hear,
        announcing.since_sent,
    )
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: supervisor.end())
    code = supervisor.run()
    announcing.ended(code)
    return code


def pages_address(environment: Mapping[str, str]) -> str:
    """Where Spark's pages listen, which alone take their address from a variable.

    In a cluster at every address of the pod: `kubectl port-forward` comes by loopback. On one machine at the pod's own,
    since other servers' pages are beside it.
    """
    address = environment[POD_ADDRESS_VARIABLE]
    if not environment.get(CLUSTER_VARIABLE):
        return address
    return "::" if ":" in address else "0.0.0.0"  # noqa: S104 - of a pod, whose network policies say who reaches it


def make_event_log_folder(store: Store) -> None:
    """Makes the folder of the event logs, without which Spark does not start.

    In S3 there are no folders but those that something lies in. A history server reads no file that begins with a dot.

    Raises:
        StoreFailed: the bucket does not take it.
    """
    store.write(f"{EVENT_LOG}/{_KEEPS_FOLDER}", b"")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the pod's log


def read_pod(environment: Mapping[str, str]) -> SparkPod:
    """What the pod is told in its environment.

    Raises:
        InvalidRequest: it is not there, or not of this version.
    """
    faults = [Fault(name, "is not set") for name in _NEEDED if not environment.get(name)]
    if faults:
        raise InvalidRequest("this is no pod of a Spark server", faults)
    try:
        return SparkPod.model_validate_json(environment[SPARK_SERVER_VARIABLE])
    except ValidationError as error:
        found = [Fault(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False)]
        raise InvalidRequest("Airflow asks for a server that this image does not know", found) from None


def pod_settings(
    pod: SparkPod, environment: Mapping[str, str], there: Installed, key_file: Path, state: Path
) -> dict[str, str]:
    """All of Spark's settings but the key.

    Raises:
        InvalidSettings: some cannot be as they are asked for; every fault is named.
    """
    address = environment[POD_ADDRESS_VARIABLE]
    executors = pod.executors if environment.get(CLUSTER_VARIABLE) else None
    place = "kubernetes" if executors is not None else "local"
    found = server_configuration(pod.server.model_copy(update={"place": place}), there)
    return {
        **found,
        **_places(address, state, _cores_alone(pod, environment)),
        **({} if executors is None else _executors(executors, environment, key_file, state)),
        "spark.app.name": pod.name,
    }


def java_options(pod: SparkPod, environment: Mapping[str, str], archive: Path) -> list[str]:
    """What Java is told beside its heap: the archive of classes where there is one, and its processors.

    A pod asks for processors and has no limit of them, and Java (from 17.0.5 on) does not look at what it asked for.
    """
    cores = _cores_alone(pod, environment)
    return [
        *([f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []),
        *([] if cores is None else [f"-XX:ActiveProcessorCount={cores}"]),
    ]


def _cores_alone(pod: SparkPod, environment: Mapping[str, str]) -> int | None:
    """The processors of a server that does the work itself on a node that it shares; None: it is told of none."""
    alone = pod.executors is None and environment.get(CLUSTER_VARIABLE)
    return pod.server.size.driver_cores if alone else None


def _places(address: str, state: Path, cores: int | None) -> dict[str, str]:
    return {
        # By itself Spark takes `local[*]`: every processor that Java knows of.
        **({} if cores is None else {"spark.master": f"local[{cores}]"}),
        "spark.connect.grpc.binding.address": address,
        "spark.connect.grpc.binding.port": str(SPARK_PORT),
        "spark.driver.bindAddress": address,
        "spark.driver.host": in_url(address),
        "spark.driver.port": str(SPARK_DRIVER_PORT),
        "spark.blockManager.port": str(SPARK_BLOCK_PORT),
        # Spark's own channels want a secret: one that it makes itself in one process, that of a file with executors.
        "spark.authenticate": "true",
        # A port that is taken is a fault to be told, not a reason to listen where nobody looks.
        "spark.port.maxRetries": "0",
        "spark.ui.enabled": "true",
        "spark.ui.killEnabled": "false",
        "spark.ui.port": str(SPARK_UI_PORT),
        UI_SETTING: f"http://{in_url(address)}:{SPARK_UI_PORT}",
        "spark.local.dir": str(state / "tmp"),
    }


def _executors(
    executors: SparkExecutors, environment: Mapping[str, str], key_file: Path, state: Path
) -> dict[str, str]:
    """Executors as pods, made by Spark itself; owned by this pod, so that they go with it."""
    template = state / "executor.json"
    template.write_text(json.dumps(executors.template))  # YAML holds JSON
    host, port = environment[CLUSTER_VARIABLE], environment.get("KUBERNETES_SERVICE_PORT", "443")
    return {
        "spark.master": f"k8s://https://{in_url(host)}:{port}",
        "spark.kubernetes.namespace": executors.namespace,
        "spark.kubernetes.container.image": executors.image,
        "spark.kubernetes.container.image.pullPolicy": "IfNotPresent",
        "spark.kubernetes.driver.pod.name": environment[POD_NAME_VARIABLE],
        "spark.kubernetes.authenticate.executor.serviceAccountName": executors.service_account,
        "spark.kubernetes.executor.podTemplateFile": str(template),
        "spark.kubernetes.executor.podTemplateContainerName": SPARK_EXECUTOR_CONTAINER,
        # No rights on ConfigMaps are needed then, on claims for volumes, on Services.
        "spark.kubernetes.executor.disableConfigMap": "true",
        "spark.kubernetes.driver.ownPersistentVolumeClaim": "false",
        "spark.kubernetes.driver.reusePersistentVolumeClaim": "false",
        "spark.kubernetes.driver.service.deleteOnTermination": "false",
        # By a file on both sides: by itself Spark would write the secret into its executors' pods. The one setting for
        # both, since an executor that asks for its settings knows no other yet.
        "spark.authenticate.secret.file": str(key_file),
        "spark.network.crypto.enabled": "true",
    }


def _credentials(environment: Mapping[str, str], state: Path) -> dict[str, str]:
    """What leads AWS's SDK to credentials in a file, which it reads again before what they hold expires."""
    file = environment.get(CREDENTIALS_FILE_VARIABLE)
    if not file or environment.get(_CONFIG_VARIABLE):
        return {}
    config = state / "aws-config"
    config.write_text(f'[default]\ncredential_process = cat "{file}"\n')
    return {_CONFIG_VARIABLE: str(config)}
