"""What a server's Java is started with in its pod, as data: alone, and with executors as pods of their own."""

import json

import pytest

from daybook.contract.spark_pod import SparkExecutors, SparkPod
from daybook.contract.spark_server import SparkBucket, SparkServerRequest, SparkSize
from daybook.spark.configuration import Installed
from daybook.spark.pod import java_options, make_event_log_folder, pages_address, pod_settings
from daybook.storage import open_store

TEMPLATE = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "executor"}]}}
CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}


@pytest.fixture
def settings(tmp_path):
    """Gives the settings of a server with workers, in a pod with these variables beside its own."""

    def made(**environment):
        pod = SparkPod(
            name="daybook-spark-research-0123456789",
            server=SparkServerRequest(
                workspace="research",
                bucket=SparkBucket(url="file:///data"),
                size=SparkSize(driver_memory="2g", executor_memory="8g", executor_cores=2, maximum_executors=2),
                place="kubernetes",
            ),
            idle_seconds=600.0,
            start_seconds=300.0,
            executors=SparkExecutors(
                namespace="research", image="registry.example/spark:1", service_account="research", template=TEMPLATE
            ),
        )
        variables = {"DAYBOOK_POD_ADDRESS": "10.0.0.7", "DAYBOOK_POD_NAME": "the-pod", **environment}
        return pod_settings(pod, variables, Installed("4.3.0", ()), tmp_path / "token", tmp_path)

    return made


def test_server_and_executors_believe_who_has_the_file_with_the_key_and_nobody_reads_along(settings, tmp_path):
    found = settings(**CLUSTER)
    assert {
        name: value for name, value in found.items() if name.startswith(("spark.authenticate", "spark.network"))
    } == {
        "spark.authenticate": "true",
        "spark.authenticate.secret.file": str(tmp_path / "token"),
        "spark.network.crypto.enabled": "true",
    }


def test_executors_are_pods_of_the_workspaces_namespace_owned_by_the_servers(settings, tmp_path):
    found = settings(**CLUSTER)
    assert found["spark.master"] == "k8s://https://10.96.0.1:6443"
    short = {name.removeprefix("spark.kubernetes."): value for name, value in found.items()}
    assert short["namespace"] == "research"
    assert short["container.image"] == "registry.example/spark:1"
    assert short["driver.pod.name"] == "the-pod"
    assert short["authenticate.executor.serviceAccountName"] == "research"
    assert short["executor.podTemplateContainerName"] == "executor"
    assert short["executor.disableConfigMap"] == "true"
    assert short["executor.podTemplateFile"] == str(tmp_path / "executor.json")
    assert json.loads((tmp_path / "executor.json").read_text()) == TEMPLATE
    assert found["spark.dynamicAllocation.maxExecutors"] == "2"


def test_executors_find_the_server_by_its_pods_address_and_fixed_ports(settings):
    found = settings(**CLUSTER)
    assert (found["spark.driver.host"], found["spark.driver.port"]) == ("10.0.0.7", "7078")
    assert found["spark.blockManager.port"] == "7079"
    assert found["spark.port.maxRetries"] == "0"


def test_a_cluster_whose_addresses_are_of_version_6_is_found(settings):
    assert settings(KUBERNETES_SERVICE_HOST="fd00::1")["spark.master"] == "k8s://https://[fd00::1]:443"


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"DAYBOOK_POD_ADDRESS": "10.0.0.7", **CLUSTER}, "0.0.0.0"),
        ({"DAYBOOK_POD_ADDRESS": "fd00::7", **CLUSTER}, "::"),
        ({"DAYBOOK_POD_ADDRESS": "127.77.1.1"}, "127.77.1.1"),
    ],
)
def test_sparks_pages_are_reached_by_loopback_too_where_a_pod_has_one_of_its_own(variables, address):
    assert pages_address(variables) == address


def test_a_server_asks_kubernetes_for_nothing_but_pods(settings):
    found = settings(**CLUSTER)
    for name in (
        "driver.ownPersistentVolumeClaim",
        "driver.reusePersistentVolumeClaim",
        "driver.service.deleteOnTermination",
    ):
        assert found[f"spark.kubernetes.{name}"] == "false"


def test_without_a_cluster_there_is_one_process_which_wants_a_secret_too(settings):
    found = settings()
    assert found["spark.authenticate"] == "true"
    assert "spark.master" not in found
    assert not any(name.startswith(("spark.kubernetes.", "spark.authenticate.")) for name in found)
    assert "spark.network.crypto.enabled" not in found


def a_server_alone(cores=3):
    """A server without workers, which is told Spark's settings by its workspace."""
    server = SparkServerRequest(
        workspace="research",
        bucket=SparkBucket(url="file:///data"),
        size=SparkSize(driver_cores=cores, driver_memory="4g"),
        settings={"spark.sql.shuffle.partitions": 2},
    )
    return SparkPod(name="alone", server=server, idle_seconds=600.0, start_seconds=300.0)


@pytest.mark.parametrize("cores", [1, 3])
def test_a_server_without_workers_takes_its_profiles_processors_of_a_clusters_node(tmp_path, cores):
    """Java would count all of the node's: a request of processors is no limit."""
    pod, variables = a_server_alone(cores), {"DAYBOOK_POD_ADDRESS": "10.0.0.7", **CLUSTER}
    found = pod_settings(pod, variables, Installed("4.3.0", ()), tmp_path / "token", tmp_path)
    assert found["spark.master"] == f"local[{cores}]"
    assert java_options(pod, variables, tmp_path / "none") == [f"-XX:ActiveProcessorCount={cores}"]


def test_under_localpods_it_takes_those_of_its_machine(tmp_path):
    pod, variables = a_server_alone(), {"DAYBOOK_POD_ADDRESS": "127.77.1.1"}
    found = pod_settings(pod, variables, Installed("4.3.0", ()), tmp_path / "token", tmp_path)
    assert "spark.master" not in found
    archive = tmp_path / "archive"
    assert java_options(pod, variables, archive) == []
    archive.touch()
    assert java_options(pod, variables, archive) == [f"-XX:SharedArchiveFile={archive}"]


def test_the_event_logs_folder_is_there_before_the_first_log_and_shows_no_file_to_a_history_server(tmp_path):
    store = open_store(tmp_path.as_uri())
    for _ in range(2):
        make_event_log_folder(store)
        assert [each.name for each in (tmp_path / "spark-events").iterdir()] == [".daybook"]
