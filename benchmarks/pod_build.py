"""Deciding on a run and building its pod: milliseconds, beside the same pod built by KubernetesPodOperator."""

import logging
import statistics
from datetime import UTC, datetime

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import models as k8s
from measure import in_turns, keep, medians, ratios, rounds_wanted, seconds, table

from daybook.catalogue import Notebook
from daybook.contract.request import AirflowCoordinates
from daybook.on_airflow.plan import TaskInstance, choose_resources, plan_run
from daybook.pods import build_pod
from daybook.workspaces import Workspace

CALLS = 100
TARGET_MS = 5.0
OURS, BUILDING, PEER = "Daybook: decide and build", "Daybook: build alone", "KubernetesPodOperator: build alone"

WORKSPACE = Workspace.model_validate(
    {
        "name": "research",
        "bucket": "s3://acme-research/runs",
        "members": {"groups": ["eo"], "users": ["ada", "bob"]},
        "image": "registry.example/daybook/notebook:1",
        "allowed": {"images": ["registry.example/research/*@sha256:*", "registry.example/shared/*"]},
        "maximum": {"cpu": 8, "memory": "32Gi", "ephemeral_storage": "100Gi", "gpu": 1, "timeout_seconds": 86400},
        "credentials": {"kind": "secret", "name": "research-s3"},
        "environment": {"AWS_REGION": "eu-central-1"},
        "spark": {"remote": "sc://spark:15002", "token": {"name": "spark", "key": "token"}},
        "pod": {
            "node_selector": {"pool": "notebooks"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "pull_secrets": ["registry"],
            "volumes": [{"name": "data", "mount_path": "/data", "persistent_volume_claim": "shared"}],
            "template": {
                "metadata": {"labels": {"team": "eo"}},
                "spec": {"containers": [{"name": "notebook", "env": [{"name": "TZ", "value": "UTC"}]}]},
            },
        },
    }
)
NOTEBOOK = Notebook.model_validate(
    {
        "id": "flights_delays",
        "source": "/notebooks/flights_delays/notebook.ipynb",
        "inputs": [
            {"name": "origin", "type": "enum", "choices": ["EWR", "JFK", "LGA"], "default": "JFK"},
            {"name": "minimum", "type": "integer", "minimum": 0, "default": 15},
            {"name": "day", "type": "date", "default": "2013-01-31"},
            {"name": "area", "type": "bbox", "default": [-1, 50, 1, 52]},
            {"name": "token", "type": "secret", "required": False},
        ],
        "run": {"image": "registry.example/shared/flights:2", "cpu": 2, "memory": "8Gi", "gpu": 1},
    }
)
HERE = AirflowCoordinates(dag_id="flights_delays", run_id="manual__1", task_id="run", run_type="manual")
TASK = TaskInstance(HERE, datetime(2026, 11, 26, tzinfo=UTC), "ada")
GIVEN = {"origin": "LGA", "minimum": 3, "area": [-10, 40, 10, 60], "token": "service"}


def decide_and_build() -> k8s.V1Pod:
    """From the values asked for to the pod: access, image, maximums, types, request, pod."""
    request = plan_run(NOTEBOOK, GIVEN, WORKSPACE, TASK, "s3://acme-research/runs/x")
    return build_pod(request, WORKSPACE, choose_resources(NOTEBOOK, WORKSPACE))


def peer_of(pod: k8s.V1Pod) -> KubernetesPodOperator:
    """An operator whose pod has all that ours has; what it is given is made already."""
    spec, (container,) = pod.spec, pod.spec.containers
    return KubernetesPodOperator(
        task_id="run",
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        labels=pod.metadata.labels,
        annotations=pod.metadata.annotations,
        image=container.image,
        image_pull_policy=container.image_pull_policy,
        image_pull_secrets=spec.image_pull_secrets,
        arguments=container.args,
        env_vars=container.env,
        env_from=container.env_from,
        container_resources=container.resources,
        container_security_context=container.security_context,
        security_context=spec.security_context,
        volumes=spec.volumes,
        volume_mounts=container.volume_mounts,
        node_selector=spec.node_selector,
        tolerations=spec.tolerations,
        service_account_name=spec.service_account_name,
        automount_service_account_token=False,
        active_deadline_seconds=spec.active_deadline_seconds,
        termination_grace_period=spec.termination_grace_period_seconds,
        random_name_suffix=False,
    )


def milliseconds(work) -> float:
    """The median of many calls."""
    return statistics.median(seconds(work) for _ in range(CALLS)) * 1000


def main() -> None:
    """Measures, prints, keeps."""
    logging.disable(logging.INFO)  # the peer writes a line for each pod
    request = plan_run(NOTEBOOK, GIVEN, WORKSPACE, TASK, "s3://acme-research/runs/x")
    resources = choose_resources(NOTEBOOK, WORKSPACE)
    peer = peer_of(build_pod(request, WORKSPACE, resources))
    candidates = {
        OURS: decide_and_build,
        BUILDING: lambda: build_pod(request, WORKSPACE, resources),
        PEER: lambda: peer.build_pod_request_obj(dry_run=True),
    }
    measured = {name: lambda work=work: milliseconds(work) for name, work in candidates.items()}
    found = in_turns(measured, rounds_wanted(), warm_up=True)
    figures = medians(found)
    title = f"A run's pod, median of {CALLS} calls a round; wanted are less than {TARGET_MS:g} ms"
    table(title, "ms", figures, PEER, ratios(found, PEER))
    keep("pod_build", {"unit": "ms", "target": TARGET_MS, "all": found, "medians": figures})


if __name__ == "__main__":
    main()
