"""Who reaches whom, by the overlays' NetworkPolicies."""

from __future__ import annotations

import pytest

from builders import a_request
from daybook.pods import labels
from deploy.network import Network, Place, Pod
from deploy.rendered import AIRFLOW, OVERLAYS, render

DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
RUN = labels(a_request())
SPARK = {"app.kubernetes.io/name": "daybook", "app.kubernetes.io/component": "spark-server"}
EXECUTOR = {"app.kubernetes.io/name": "daybook", "app.kubernetes.io/component": "spark-executor"}
WITH_SERVER = [("dev", "daybook-earth"), ("prod", "daybook-climate")]
WITH_EXECUTORS = "daybook-climate"
INGRESS = {"ingress": {"daybook.dev/ingress": "true"}}
METADATA = ("169.254.169.254", "169.254.170.2", "169.254.170.23")
"""AWS' metadata service, and where ECS and EKS hand out credentials."""
NODE, INTERNET = "192.168.17.2", "93.184.215.14"

STORE = {"dev": (Pod("daybook-dev", {"app.kubernetes.io/name": "s3"}), 9000), "prod": (Place("10.0.64.10"), 443)}
API = {"dev": (Place(NODE), 6443), "prod": (Place("10.0.48.10"), 443)}
DATABASE = {
    "dev": (Pod("daybook-dev", {"app.kubernetes.io/name": "postgres"}), 5432),
    "prod": (Place("10.0.80.10"), 5432),
}
PODS_ARE_MADE_BY = {"dev": "scheduler", "prod": "worker"}


def airflow(component: str) -> Pod:
    return Pod(AIRFLOW, {"tier": "airflow", "component": component, "release": "airflow"})


@pytest.fixture(params=OVERLAYS)
def network(request: pytest.FixtureRequest) -> Network:
    return Network(render(request.param), INGRESS)


@pytest.fixture
def run(network: Network) -> Pod:
    return Pod(one(network), RUN)


def one(network: Network) -> str:
    return min(network.rendered.workspace_namespaces)


def another(network: Network) -> str:
    return max(network.rendered.workspace_namespaces)


def test_a_run_reaches_names_by_udp_and_tcp(network: Network, run: Pod) -> None:
    assert network.reaches(run, DNS, 53, "UDP")
    assert network.reaches(run, DNS, 53, "TCP")
    assert network.reaches(run, Place("169.254.20.10"), 53, "UDP")


def test_a_run_reaches_its_store_on_the_one_port(network: Network, run: Pod) -> None:
    store, port = STORE[network.rendered.overlay]
    assert network.reaches(run, store, port)
    assert not network.reaches(run, store, 22)
    assert not network.reaches(run, store, port, "UDP")


def test_a_run_reaches_its_own_workspaces_spark_and_no_other(network: Network, run: Pod) -> None:
    assert network.reaches(run, Pod(run.namespace, SPARK), 15002)
    assert not network.reaches(run, Pod(run.namespace, SPARK), 4040)
    assert not network.reaches(run, Pod(another(network), SPARK), 15002)


@pytest.fixture(params=WITH_SERVER, ids=[overlay for overlay, _ in WITH_SERVER])
def served(request: pytest.FixtureRequest) -> tuple[Network, Pod]:
    """An overlay, and the server of a workspace in it."""
    overlay, namespace = request.param
    return Network(render(overlay), INGRESS), Pod(namespace, SPARK)


def test_only_its_workspaces_runs_reach_a_server_and_only_its_one_port(served: tuple[Network, Pod]) -> None:
    network, server = served
    assert network.reaches(Pod(server.namespace, RUN), server, 15002)
    (other,) = network.rendered.workspace_namespaces - {server.namespace}
    strangers = (Pod(other, RUN), Pod(other, SPARK), Pod(other, EXECUTOR), airflow("worker"), Pod("hub", {}), DNS)
    for port in (15002, 4040, 7078, 7079):
        assert not [each for each in (*strangers, Place(INTERNET)) if network.reaches(each, server, port)]
        assert port == 15002 or not network.reaches(Pod(server.namespace, RUN), server, port)


def test_a_server_reaches_names_and_its_store_and_nothing_beyond(served: tuple[Network, Pod]) -> None:
    network, server = served
    store, port = STORE[network.rendered.overlay]
    assert network.reaches(server, DNS, 53, "UDP")
    assert network.reaches(server, store, port)
    for address in (*METADATA, INTERNET):
        assert not network.reaches(server, Place(address), 443)
    assert not network.reaches(server, airflow("api-server"), 8080)
    assert not network.reaches(server, Pod(server.namespace, RUN), 8888)


def test_a_server_without_workers_does_not_reach_kubernetes() -> None:
    api, port = API["dev"]
    assert not Network(render("dev")).reaches(Pod("daybook-earth", SPARK), api, port)


def test_server_and_executors_reach_each_other_and_the_server_alone_reaches_kubernetes() -> None:
    network = Network(render("prod"))
    server, executor = Pod(WITH_EXECUTORS, SPARK), Pod(WITH_EXECUTORS, EXECUTOR)
    among = [(executor, server), (server, executor), (executor, Pod(WITH_EXECUTORS, EXECUTOR))]
    for port in (7078, 7079):
        assert all(network.reaches(source, target, port) for source, target in among)
    api, port = API["prod"]
    assert network.reaches(server, api, port)
    assert not network.reaches(executor, api, port)
    store, port = STORE["prod"]
    assert network.reaches(executor, store, port)
    assert network.reaches(executor, DNS, 53, "TCP")


def test_nobody_else_reaches_executors_nor_do_they_reach_what_runs_ask() -> None:
    network = Network(render("prod"))
    executor = Pod(WITH_EXECUTORS, EXECUTOR)
    strangers = (Pod(WITH_EXECUTORS, RUN), Pod("daybook-flights", EXECUTOR), Pod("daybook-flights", RUN))
    for port in (7078, 7079, 15002):
        assert not [each for each in strangers if network.reaches(each, executor, port)]
    assert not network.reaches(executor, Pod(WITH_EXECUTORS, SPARK), 15002)
    for address in (*METADATA, INTERNET):
        assert not network.reaches(executor, Place(address), 443)


def test_people_of_a_hub_reach_the_standing_server_of_the_workspace_that_their_server_was_started_for() -> None:
    network = Network(render("prod"))
    server = Pod("daybook-flights", {**SPARK, "daybook.dev/standing": "true"})
    person = {"component": "singleuser-server", "daybook.dev/workspace": "flights"}
    assert network.reaches(Pod("hub", person), server, 15002)
    assert not network.reaches(Pod("hub", person), server, 4040)
    assert not network.reaches(Pod("hub", {**person, "daybook.dev/workspace": "climate"}), server, 15002)
    assert not network.reaches(Pod("hub", person), Pod("daybook-climate", SPARK), 15002)
    assert not network.reaches(Pod("default", person), server, 15002)


@pytest.mark.parametrize("port", [80, 443, 6443, 10250])
@pytest.mark.parametrize("address", [*METADATA, "10.96.0.1", NODE, INTERNET, "10.244.0.9", "10.0.48.10"])
def test_a_run_reaches_no_api_no_metadata_no_node_and_no_internet(
    network: Network, run: Pod, address: str, port: int
) -> None:
    assert not network.reaches(run, Place(address), port)


@pytest.mark.parametrize("component", ["api-server", "worker", "triggerer", "scheduler", "redis", "statsd"])
def test_a_run_does_not_reach_airflow(network: Network, run: Pod, component: str) -> None:
    for port in (8080, 8793, 8794, 6379, 9102):
        assert not network.reaches(run, airflow(component), port)


def test_nobody_reaches_a_run(network: Network, run: Pod) -> None:
    strangers = (run, Pod(another(network), RUN), Pod(run.namespace, SPARK), airflow("worker"), DNS, Place(INTERNET))
    for source in strangers:
        for port in (22, 8888, 15002):
            assert not network.reaches(source, run, port)


def test_a_run_reaches_no_other_run(network: Network, run: Pod) -> None:
    assert not network.reaches(run, Pod(another(network), RUN), 8888)
    assert not network.reaches(run, Pod(run.namespace, RUN), 8888)


def test_a_pod_that_is_not_daybooks_reaches_nothing(network: Network) -> None:
    stray = Pod(one(network), {"app": "stray"})
    store, port = STORE[network.rendered.overlay]
    assert not network.reaches(stray, store, port)
    assert not network.reaches(stray, DNS, 53, "UDP")


def test_a_run_does_not_reach_the_database(network: Network, run: Pod) -> None:
    database, port = DATABASE[network.rendered.overlay]
    assert not network.reaches(run, database, port)


def test_what_makes_and_watches_pods_reaches_kubernetes_and_nothing_else_of_airflow_does(network: Network) -> None:
    api, port = API[network.rendered.overlay]
    maker = PODS_ARE_MADE_BY[network.rendered.overlay]
    components = {"api-server", "scheduler", "dag-processor", "worker", "triggerer", "redis", "statsd"}
    reaching = {each for each in components if network.reaches(airflow(each), api, port)}
    assert reaching == {maker, "triggerer"}


@pytest.mark.parametrize(
    ("source", "target", "port", "protocol"),
    [
        ("worker", "api-server", 8080, "TCP"),
        ("triggerer", "api-server", 8080, "TCP"),
        ("scheduler", "api-server", 8080, "TCP"),
        ("dag-processor", "api-server", 8080, "TCP"),
        ("api-server", "worker", 8793, "TCP"),
        ("api-server", "triggerer", 8794, "TCP"),
        ("api-server", "scheduler", 8793, "TCP"),
        ("worker", "redis", 6379, "TCP"),
        ("scheduler", "redis", 6379, "TCP"),
        ("scheduler", "statsd", 9125, "UDP"),
    ],
)
def test_airflows_components_reach_each_other(
    network: Network, source: str, target: str, port: int, protocol: str
) -> None:
    assert network.reaches(airflow(source), airflow(target), port, protocol)


@pytest.mark.parametrize(
    "component", ["api-server", "scheduler", "triggerer", "dag-processor", "run-airflow-migrations"]
)
def test_airflow_reaches_its_database(network: Network, component: str) -> None:
    database, port = DATABASE[network.rendered.overlay]
    assert network.reaches(airflow(component), database, port)


def test_airflow_reaches_the_store_where_it_reads_and_writes_records(network: Network) -> None:
    store, port = STORE[network.rendered.overlay]
    for component in ("api-server", "worker", "triggerer", "scheduler"):
        assert network.reaches(airflow(component), store, port)
    assert not network.reaches(airflow("dag-processor"), store, port)


def test_airflow_does_not_reach_the_metadata_service_nor_the_internet(network: Network) -> None:
    for component in ("api-server", "scheduler", "worker", "triggerer", "dag-processor"):
        for address in METADATA:
            assert not network.reaches(airflow(component), Place(address), 80)
        assert not network.reaches(airflow(component), Place(INTERNET), 443)


def test_only_the_ingress_controller_reaches_the_pages_from_outside(network: Network) -> None:
    assert network.reaches(Pod("ingress"), airflow("api-server"), 8080)
    assert not network.reaches(Pod("ingress"), airflow("worker"), 8793)
    assert not network.reaches(Pod("kube-system"), airflow("api-server"), 8080)
    assert not network.reaches(Place(INTERNET), airflow("api-server"), 8080)


def test_prometheus_reaches_the_metrics_where_it_is_asked_for() -> None:
    network = Network(render("prod"))
    prometheus = Pod("monitoring", {"app.kubernetes.io/name": "prometheus"})
    assert network.reaches(prometheus, airflow("statsd"), 9102)
    assert network.reaches(prometheus, airflow("api-server"), 8080)
    assert not network.reaches(prometheus, airflow("worker"), 8793)


def test_a_policy_that_selects_is_what_closes() -> None:
    """The evaluator itself: without policies everything is open, as in Kubernetes."""
    network = Network(render("dev"))
    assert network.reaches(Pod("elsewhere"), Place(INTERNET), 443)
    assert network.reaches(Pod("elsewhere"), Pod("elsewhere"), 1)
