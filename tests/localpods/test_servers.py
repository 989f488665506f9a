"""What a pod that serves others needs: an address of its own, a readiness probe that counts, a Service beside it."""

from __future__ import annotations

import signal
import sys

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from localpods.really_started import NAMESPACE, Localpods, wait_until

WAITS = "import pathlib, time\nwhile not pathlib.Path('end').exists(): time.sleep(0.05)"
PORTS = [{"containerPort": 15002}]


def a_probe(*command: str) -> dict:
    return {"exec": {"command": list(command)}, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 1}


def readiness(localpods: Localpods, name: str) -> str:
    found = localpods.get(name)["status"]["conditions"]
    return next(one["status"] for one in found if one["type"] == "Ready")


def test_a_pod_is_ready_only_while_its_probe_succeeds(localpods: Localpods) -> None:
    marks = {"name": "marks", "emptyDir": {}}
    name = localpods.python(
        f"import pathlib\npathlib.Path('marks/up').touch()\n{WAITS}",
        volumeMounts=[{"name": "marks", "mountPath": "/marks"}],
        readinessProbe=a_probe("cat", "/marks/ready"),
        spec={"volumes": [marks]},
    )
    folder = localpods.state / "pods" / localpods.get(name)["metadata"]["uid"] / "volumes" / "marks"
    wait_until(lambda: (folder / "up").exists())
    localpods.in_phase(name, "Running")
    assert readiness(localpods, name) == "False"
    (folder / "ready").touch()
    wait_until(lambda: readiness(localpods, name) == "True")
    (folder / "ready").unlink()
    wait_until(lambda: readiness(localpods, name) == "False")
    assert ("Unhealthy", "Readiness probe failed") in localpods.events(name)
    localpods.delete(name, gracePeriodSeconds=0)


def test_the_probe_has_the_containers_own_environment(localpods: Localpods) -> None:
    code = "import os; raise SystemExit(os.environ['MARK'] != 'of the container')"
    name = localpods.python(
        WAITS,
        env=[{"name": "MARK", "value": "of the container"}],
        readinessProbe=a_probe(sys.executable, "-c", code),
    )
    wait_until(lambda: readiness(localpods, name) == "True")
    localpods.delete(name, gracePeriodSeconds=0)


def test_a_probe_is_looked_at_again_after_a_restart_of_localpods(own_localpods: Localpods) -> None:
    name = own_localpods.python(WAITS, readinessProbe=a_probe(sys.executable, "-c", ""))
    wait_until(lambda: readiness(own_localpods, name) == "True")
    own_localpods.end(signal.SIGTERM)
    own_localpods.start()
    wait_until(lambda: readiness(own_localpods, name) == "True")
    own_localpods.delete(name, gracePeriodSeconds=0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one loopback address")
def test_pods_that_name_ports_have_an_address_each(localpods: Localpods) -> None:
    code = f"import os, pathlib; print(os.environ['ADDRESS'], flush=True)\n{WAITS}"
    env = [{"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    one, other = (localpods.python(code, ports=PORTS, env=env) for _ in range(2))
    plain = localpods.python(WAITS)
    addresses = [localpods.in_phase(name, "Running")["status"]["podIP"] for name in (one, other, plain)]
    assert len(set(addresses)) == 3
    assert addresses[2] == "127.0.0.1"
    assert all(address.startswith("127.") for address in addresses)
    assert wait_until(lambda: localpods.log(one)).strip() == addresses[0]
    for name in (one, other, plain):
        localpods.delete(name, gracePeriodSeconds=0)


def a_service(name: str, **metadata: object) -> client.V1Service:
    return client.V1Service(
        metadata=client.V1ObjectMeta(name=name, **metadata),
        spec=client.V1ServiceSpec(
            cluster_ip="None", selector={"app": "x"}, ports=[client.V1ServicePort(name="grpc", port=15002)]
        ),
    )


def test_a_service_is_made_listed_and_deleted(api: client.CoreV1Api) -> None:
    made = api.create_namespaced_service(NAMESPACE, a_service("one", labels={"of": "this"}))
    assert api.read_namespaced_service("one", NAMESPACE).metadata.uid == made.metadata.uid
    assert [one.metadata.name for one in api.list_namespaced_service(NAMESPACE, label_selector="of=this").items] == [
        "one"
    ]
    assert api.list_namespaced_service(NAMESPACE, label_selector="of=another").items == []
    with pytest.raises(ApiException, match="already exists"):
        api.create_namespaced_service(NAMESPACE, a_service("one"))
    another = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    with pytest.raises(ApiException, match="precondition"):
        api.delete_namespaced_service("one", NAMESPACE, body=another)
    api.delete_namespaced_service("one", NAMESPACE)
    with pytest.raises(ApiException, match="not found"):
        api.read_namespaced_service("one", NAMESPACE)


def test_a_service_goes_with_the_pod_that_owns_it(api: client.CoreV1Api, localpods: Localpods) -> None:
    pod = localpods.get(localpods.python(WAITS))["metadata"]
    owner = client.V1OwnerReference(api_version="v1", kind="Pod", name=pod["name"], uid=pod["uid"])
    api.create_namespaced_service(NAMESPACE, a_service("owned", owner_references=[owner]))
    localpods.delete(pod["name"], gracePeriodSeconds=0)
    wait_until(lambda: "owned" not in [one.metadata.name for one in api.list_namespaced_service(NAMESPACE).items])


def test_only_headless_services_are_taken(api: client.CoreV1Api) -> None:
    leads = a_service("leads")
    leads.spec.cluster_ip = None
    with pytest.raises(ApiException, match="headless"):
        api.create_namespaced_service(NAMESPACE, leads)
