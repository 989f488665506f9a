"""A Spark server is made, used and ended with just the rights that the manifests give to Airflow for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config

from builders import a_workspace
from daybook.on_airflow.spark_dag import started, stopped
from daybook.on_airflow.spark_servers.servers import SparkServers
from daybook.storage import open_store
from deploy.rendered import render
from deploy.rights import Door, Right, door, rights_of
from localpods.really_started import TOKEN, Localpods

NAMESPACE = "daybook-climate"
EXECUTORS = {Right(verb, "pods") for verb in ("create", "get", "list", "watch", "delete", "deletecollection")}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Localpods]:
    running = Localpods(tmp_path_factory.mktemp("spark-rights"))
    waits = {"prefix": sys.prefix, "entrypoint": [sys.executable, "-c", "import time; time.sleep(600)"]}
    running.images.write_text(json.dumps({"daybook/spark": waits}))
    running.start()
    yield running
    running.close()


@pytest.fixture
def opened(cluster: Localpods) -> Iterator[Door]:
    rights = rights_of(render("prod"), NAMESPACE, "airflow-worker")
    with door(cluster.port, NAMESPACE, rights) as found:
        yield found


def test_airflow_starts_and_stops_a_server_with_these_rights_and_uses_what_it_was_given_for_it(
    opened: Door, tmp_path: Path
) -> None:
    kubeconfig = opened.write_kubeconfig(tmp_path / "kubeconfig", TOKEN)
    api = client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))
    workspace = a_workspace(name="climate", namespace=NAMESPACE, spark={"server": {}})
    servers = SparkServers(lambda: api)
    bucket = open_store(str(tmp_path / "bucket"))
    name = started(servers, workspace, bucket)["started"]
    assert started(servers, workspace, bucket) == {"started": name}
    assert stopped(servers, api, workspace) == {"stopped": [name]}
    assert not opened.refused
    given = {
        Right(verb, resource)
        for rule in render("prod").one("Role", "daybook-spark-servers", NAMESPACE)["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
    assert given <= opened.used


def test_a_server_has_rights_on_pods_of_its_namespace_and_on_nothing_else() -> None:
    prod = render("prod")
    assert rights_of(prod, NAMESPACE, "daybook-spark", home=NAMESPACE) == EXECUTORS
    for namespace in {each["metadata"]["name"] for each in prod.of("Namespace")} - {NAMESPACE}:
        assert not rights_of(prod, namespace, "daybook-spark", home=NAMESPACE)


def test_runs_and_executors_have_none() -> None:
    assert not rights_of(render("prod"), NAMESPACE, "daybook-run", home=NAMESPACE)
