"""The compose file as Docker Compose itself reads it, and the rules that it follows."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from airflow.secrets.local_filesystem import LocalFilesystemBackend

from daybook.workspaces import load_workspaces
from deploy.network import Network, Place, Pod
from deploy.rendered import Rendered

PROJECT = Path(__file__).parents[2]
COMPOSE = Path(sys.executable).parent / "docker-compose"
ONE_SHOT = {"airflow-init"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what compose reads, with secrets of its own."""
    project = tmp_path_factory.mktemp("project")
    shutil.copy(PROJECT / "docker-compose.yaml", project)
    shutil.copy(PROJECT / ".env.example", project)
    shutil.copytree(PROJECT / "deploy" / "compose", project / "deploy" / "compose")
    subprocess.run([sys.executable, project / "deploy" / "compose" / "prepare.py"], check=True, capture_output=True)
    return project


@pytest.fixture(scope="module")
def configured(prepared: Path) -> dict:
    command = [COMPOSE, "--project-directory", prepared, "config", "--format", "json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert not answer.stderr
    return json.loads(answer.stdout)


def test_every_service_is_there_with_its_health_check(configured: dict) -> None:
    services = configured["services"]
    airflow = {f"airflow-{each}" for each in ("api-server", "scheduler", "dag-processor", "triggerer", "init")}
    assert set(services) == {"postgres", "s3", "oidc", "kubernetes"} | airflow
    for name in set(services) - ONE_SHOT:
        assert services[name]["healthcheck"]["test"][0].startswith("CMD"), name


def test_ports_are_on_loopback_only(configured: dict) -> None:
    published = [port for each in configured["services"].values() for port in each.get("ports", ())]
    assert published
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_images_have_tags_that_do_not_move(configured: dict) -> None:
    for name, service in configured["services"].items():
        image, _, tag = service["image"].rpartition(":")
        assert image, name
        assert tag != "latest", name


def test_secrets_are_files_and_in_no_variable(configured: dict, prepared: Path) -> None:
    text = json.dumps(configured)
    files = {Path(each["file"]) for each in configured["secrets"].values()}
    assert {each.parent for each in files} == {prepared / ".compose" / "secrets"}
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() not in text, path.name


def test_secrets_stay_when_prepared_again(prepared: Path) -> None:
    folder = prepared / ".compose" / "secrets"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    subprocess.run([sys.executable, prepared / "deploy" / "compose" / "prepare.py"], check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_every_service_has_limits_and_only_kubernetes_is_privileged(configured: dict) -> None:
    services = configured["services"]
    for name, service in services.items():
        assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"]), name
    assert [name for name, service in services.items() if service.get("privileged")] == ["kubernetes"]


def test_only_the_set_up_sees_the_clusters_admin(configured: dict) -> None:
    users = {
        name
        for name, service in configured["services"].items()
        if any(each.get("source") == "kubeconfig-admin" for each in service.get("volumes", ()))
    }
    assert users == {"kubernetes", "airflow-init"}


def test_what_lives_in_volumes_is_declared(configured: dict) -> None:
    assert {"postgres", "s3", "kubernetes", "logs"} <= set(configured["volumes"])


def test_a_workspaces_key_reaches_its_own_bucket_only(prepared: Path) -> None:
    identities = json.loads((prepared / ".compose" / "secrets" / "s3_identities.json").read_text())["identities"]
    own = {each["name"]: {action.partition(":")[2] for action in each["actions"]} for each in identities}
    workspaces = load_workspaces(PROJECT / "deploy" / "compose" / "workspaces.yaml")
    assert {name: buckets for name, buckets in own.items() if name != "airflow"} == {
        each.name: {each.bucket.removeprefix("s3://").strip("/")} for each in workspaces
    }


def test_airflow_reads_its_connections(prepared: Path) -> None:
    backend = LocalFilesystemBackend(
        connections_file_path=str(prepared / ".compose" / "secrets" / "airflow_connections.json")
    )
    s3, kubernetes = backend.get_connection("daybook_s3"), backend.get_connection("kubernetes_default")
    assert s3 is not None
    assert s3.conn_type == "aws"
    assert s3.password
    assert kubernetes is not None
    assert kubernetes.extra_dejson == {"kube_config_path": "/opt/airflow/kube/config"}


def test_people_are_in_the_groups_that_workspaces_ask_for(prepared: Path) -> None:
    realm = json.loads((prepared / ".compose" / "secrets" / "oidc_realm.json").read_text())
    asked = {
        group
        for each in load_workspaces(PROJECT / "deploy" / "compose" / "workspaces.yaml")
        for group in each.members.groups
    }
    assert asked <= {group["name"] for group in realm["groups"]}
    assert asked <= {group for user in realm["users"] for group in user["groups"]}


def test_kubernetes_gets_a_restricted_namespace_for_each_workspace() -> None:
    made = list(yaml.safe_load_all((PROJECT / "deploy" / "compose" / "kubernetes.yaml").read_text()))
    namespaces = {
        each["metadata"]["name"]: each["metadata"].get("labels", {}) for each in made if each["kind"] == "Namespace"
    }
    for workspace in load_workspaces(PROJECT / "deploy" / "compose" / "workspaces.yaml"):
        assert namespaces[workspace.namespace]["pod-security.kubernetes.io/enforce"] == "restricted"
        (role,) = [
            each for each in made if each["kind"] == "Role" and each["metadata"]["namespace"] == workspace.namespace
        ]
        # No Secrets: its credentials are of a kind for which Airflow makes none.
        assert workspace.credentials.kind == "secret"
        assert {resource: rule["verbs"] for rule in role["rules"] for resource in rule["resources"]} == {
            "pods": ["create", "get", "list", "delete"],
            "pods/log": ["get"],
        }


def test_pods_reach_of_the_compose_network_only_the_port_that_asks_for_a_key(configured: dict) -> None:
    made = tuple(yaml.safe_load_all((PROJECT / "deploy" / "compose" / "kubernetes.yaml").read_text()))
    network = Network(Rendered("compose", made), {"kube-system": {"kubernetes.io/metadata.name": "kube-system"}})
    s3 = Place(configured["services"]["s3"]["networks"]["default"]["ipv4_address"])
    dns = Pod("kube-system", {"k8s-app": "kube-dns"})
    for workspace in load_workspaces(PROJECT / "deploy" / "compose" / "workspaces.yaml"):
        run = Pod(workspace.namespace, {"app.kubernetes.io/name": "daybook"})
        assert network.reaches(run, s3, 8333)
        assert network.reaches(run, dns, 53, "UDP")
        # SeaweedFS' filer, volumes and master; another container; another run.
        assert not [port for port in (8888, 18888, 8080, 9333) if network.reaches(run, s3, port)]
        assert not network.reaches(run, Place("172.30.77.3"), 5432)
        assert not network.reaches(Pod(workspace.namespace, address="10.42.0.9"), run, 8000)


def test_the_s3_server_is_root_with_no_right_but_to_read_its_keys(configured: dict) -> None:
    s3 = configured["services"]["s3"]
    assert (s3["user"], s3["cap_drop"], s3["cap_add"]) == ("0:0", ["ALL"], ["DAC_OVERRIDE"])
    assert s3["entrypoint"][0] == "weed"


def test_no_service_wants_more_cpus_than_a_small_machine_has(configured: dict) -> None:
    wanted = {name: each["deploy"]["resources"]["limits"]["cpus"] for name, each in configured["services"].items()}
    assert max(float(cpus) for cpus in wanted.values()) <= 2


def test_without_preparation_compose_says_what_to_run(tmp_path: Path) -> None:
    shutil.copy(PROJECT / "docker-compose.yaml", tmp_path)
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_IMAGE")}
    command = [COMPOSE, "--project-directory", tmp_path, "config"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=clean)
    assert answer.returncode != 0
    assert "run deploy/compose/prepare.py" in answer.stderr
