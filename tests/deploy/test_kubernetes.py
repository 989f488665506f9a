"""The overlays as kustomize renders them: valid for Kubernetes 1.34, and of one mind with Daybook's own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes.client import ApiClient

from builders import a_request
from daybook.catalogue import load_catalogue
from daybook.contract.quantities import quantity
from daybook.pods import Resources, build_pod
from daybook.web.settings import WebSettings
from daybook.workspaces import StsCredentials, Workspace, load_workspaces
from deploy.rendered import (
    AIRFLOW,
    KUBERNETES,
    OVERLAYS,
    PROJECT,
    WITHOUT_HELM,
    Document,
    Rendered,
    kustomize,
    render,
    told,
)
from pods.restricted import violations

KUBERNETES_VERSION = "1.34"
FOREIGN = {"ServiceMonitor"}
"""Kinds of custom resources, which Kubernetes' own schema does not know."""
PSA = "pod-security.kubernetes.io"
WORKSPACES = [(overlay, each) for overlay in OVERLAYS for each in render(overlay).workspaces]


@pytest.fixture(params=OVERLAYS)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return render(request.param)


def of_workspaces(test: Any) -> Any:
    return pytest.mark.parametrize(("overlay", "workspace"), WORKSPACES, ids=lambda each: getattr(each, "name", each))(
        test
    )


# -- Kubernetes takes it -----------------------------------------------------------------------------------------


EVERYTHING = [
    each for overlay in (WITHOUT_HELM, "prod") for each in render(overlay).documents if each["kind"] not in FOREIGN
]


@pytest.mark.parametrize("document", EVERYTHING, ids=told)
def test_each_document_is_valid_for_kubernetes(document: Document) -> None:
    assert kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True) == KUBERNETES_VERSION


def test_the_schema_refuses_what_kubernetes_would() -> None:
    document = {**render("dev").one("Ingress", "daybook"), "spec": {"rules": [{"hots": "a slip"}]}}
    with pytest.raises(kubernetes_validate.ValidationError, match="hots"):
        kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)


def test_custom_resources_are_only_in_the_overlay_that_asks_for_them() -> None:
    assert FOREIGN.isdisjoint(each["kind"] for each in render("dev").documents)
    monitors = {each["metadata"]["name"]: each for each in render("prod").of("ServiceMonitor")}
    assert {each["apiVersion"] for each in monitors.values()} == {"monitoring.coreos.com/v1"}
    selected = {name: each["spec"]["selector"]["matchLabels"]["component"] for name, each in monitors.items()}
    assert selected == {"airflow": "statsd", "daybook": "api-server"}
    (ours,) = monitors["daybook"]["spec"]["endpoints"]
    assert ours["path"] == f"{WebSettings().mount}/metrics"
    assert ours["authorization"]["credentials"] == {"name": "daybook-metrics", "key": "token"}


@pytest.mark.parametrize("part", ["base", "workspace", "catalogue"])
def test_each_part_builds_alone(part: str) -> None:
    assert list(yaml.safe_load_all(kustomize(KUBERNETES / part)))


def test_no_secret_is_committed(rendered: Rendered) -> None:
    assert not list(rendered.of("Secret"))


# -- rights ------------------------------------------------------------------------------------------------------


def test_nothing_is_cluster_wide(rendered: Rendered) -> None:
    without = {told(each) for each in rendered.documents if "namespace" not in each["metadata"]}
    assert without == {told(each) for each in rendered.of("Namespace")}


def test_no_right_is_more_than_it_says(rendered: Rendered) -> None:
    rights = set()
    for role in rendered.of("Role"):
        for rule in role["rules"]:
            assert rule["apiGroups"] == [""]
            rights |= {(verb, resource) for verb in rule["verbs"] for resource in rule["resources"]}
    assert rights <= {
        *((verb, "pods") for verb in ("create", "get", "list", "delete")),
        ("get", "pods/log"),
        *((verb, "secrets") for verb in ("create", "list", "patch", "delete")),
    }


def test_only_airflows_processes_that_need_it_have_rights_and_tokens(rendered: Rendered) -> None:
    maker = {"dev": "airflow-scheduler", "prod": "airflow-worker"}[rendered.overlay]
    subjects = {
        (subject["namespace"], subject["name"]) for each in rendered.of("RoleBinding") for subject in each["subjects"]
    }
    assert subjects == {(AIRFLOW, name) for name in ("airflow-triggerer", maker)}
    with_token = {
        (each["metadata"]["namespace"], each["metadata"]["name"])
        for each in rendered.of("ServiceAccount")
        if each["automountServiceAccountToken"]
    }
    assert with_token == subjects


def test_every_binding_binds_a_role_of_its_namespace_to_an_account_that_is_there(rendered: Rendered) -> None:
    accounts = {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in rendered.of("ServiceAccount")}
    for each in rendered.of("RoleBinding"):
        assert each["roleRef"]["kind"] == "Role"
        rendered.one("Role", each["roleRef"]["name"], each["metadata"]["namespace"])
        assert {(subject["namespace"], subject["name"]) for subject in each["subjects"]} <= accounts


@of_workspaces
def test_secrets_are_open_to_airflow_only_where_it_hands_out_credentials(overlay: str, workspace: Workspace) -> None:
    touching = [
        role
        for role in render(overlay).of("Role", workspace.namespace)
        for rule in role["rules"]
        if "secrets" in rule["resources"]
    ]
    assert bool(touching) == isinstance(workspace.credentials, StsCredentials)


# -- namespaces --------------------------------------------------------------------------------------------------


def test_every_namespace_is_restricted_by_pinned_rules(rendered: Rendered) -> None:
    for each in rendered.of("Namespace"):
        labels = each["metadata"]["labels"]
        for mode in ("enforce", "audit", "warn"):
            assert (labels[f"{PSA}/{mode}"], labels[f"{PSA}/{mode}-version"]) == ("restricted", "v1.34")


def test_everything_lies_in_a_namespace_of_the_overlay(rendered: Rendered) -> None:
    namespaces = {each["metadata"]["name"] for each in rendered.of("Namespace")}
    used = {each["metadata"]["namespace"] for each in rendered.documents if "namespace" in each["metadata"]}
    assert used == namespaces


def test_every_namespace_denies_what_nothing_allows(rendered: Rendered) -> None:
    for namespace in (each["metadata"]["name"] for each in rendered.of("Namespace")):
        spec = rendered.one("NetworkPolicy", "default-deny", namespace)["spec"]
        assert spec["podSelector"] == {}
        assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
        assert not {"ingress", "egress"} & set(spec)


def test_workspaces_and_namespaces_are_the_same(rendered: Rendered) -> None:
    assert rendered.workspace_namespaces == {each.namespace for each in rendered.workspaces}
    assert len(list(rendered.workspaces)) == len(rendered.workspace_namespaces)


@of_workspaces
def test_a_workspaces_account_is_there_and_has_no_rights_and_no_token(overlay: str, workspace: Workspace) -> None:
    assert workspace.service_account
    account = render(overlay).one("ServiceAccount", workspace.service_account, workspace.namespace)
    assert account["automountServiceAccountToken"] is False
    bound = [each for each in render(overlay).of("RoleBinding") for each in each["subjects"]]
    assert workspace.namespace not in {each["namespace"] for each in bound}


# -- limits ------------------------------------------------------------------------------------------------------


def run_pod(workspace: Workspace) -> Document:
    """The pod of a run that wishes for nothing in particular, as Kubernetes gets it."""
    resources = Resources(workspace.cpu, workspace.memory, workspace.ephemeral_storage)
    pod = build_pod(a_request(workspace=workspace.name), workspace, resources)
    document: Document = ApiClient().sanitize_for_serialization(pod)
    return document


@of_workspaces
def test_the_quota_has_room_for_as_many_runs_as_the_pool(overlay: str, workspace: Workspace) -> None:
    hard = render(overlay).one("ResourceQuota", "daybook-workspace", workspace.namespace)["spec"]["hard"]
    assert int(hard["pods"]) >= workspace.runs_at_once
    assert int(hard["requests.nvidia.com/gpu"]) >= workspace.maximum.gpu
    (container,) = run_pod(workspace)["spec"]["containers"]
    for kind, amounts in container["resources"].items():
        for name, amount in amounts.items():
            assert quantity(hard[f"{kind}.{name}"]) >= workspace.runs_at_once * quantity(amount), (kind, name)


@of_workspaces
def test_the_largest_run_fits_the_limits_of_its_namespace(overlay: str, workspace: Workspace) -> None:
    (limits,) = render(overlay).one("LimitRange", "daybook-workspace", workspace.namespace)["spec"]["limits"]
    assert workspace.maximum.memory
    assert workspace.maximum.ephemeral_storage
    assert quantity(workspace.maximum.memory) <= quantity(limits["max"]["memory"])
    assert quantity(workspace.maximum.ephemeral_storage) <= quantity(limits["max"]["ephemeral-storage"])


@of_workspaces
def test_a_run_pod_may_start_in_its_namespace_and_is_not_taken_by_a_drain(overlay: str, workspace: Workspace) -> None:
    document = run_pod(workspace)
    assert not violations(document)
    assert document["metadata"]["namespace"] in render(overlay).workspace_namespaces
    budget = render(overlay).one("PodDisruptionBudget", "daybook-run", workspace.namespace)["spec"]
    assert budget["selector"]["matchLabels"].items() <= document["metadata"]["labels"].items()
    # Kubernetes counts pods without a controller only against an absolute number of available ones.
    assert budget["minAvailable"] > 10 * workspace.runs_at_once


# -- what Airflow reads ------------------------------------------------------------------------------------------


def mounted(config_map: Mapping[str, Any], folder: Path) -> Path:
    """A ConfigMap as the kubelet mounts it: the files are links into a folder that is swapped at each change."""
    version = folder / "..2026_11_26_12_00_00.1234567890"
    version.mkdir(parents=True)
    (folder / "..data").symlink_to(version.name)
    for name, content in config_map["data"].items():
        (version / name).write_text(content)
        (folder / name).symlink_to(Path("..data") / name)
    return folder


def test_the_workspaces_are_valid_as_they_are_mounted(rendered: Rendered, tmp_path: Path) -> None:
    folder = mounted(rendered.one("ConfigMap", "daybook-workspaces", AIRFLOW), tmp_path / "workspaces")
    assert load_workspaces(folder / "workspaces.yaml") == rendered.workspaces


def test_the_catalogue_is_valid_as_it_is_mounted(rendered: Rendered, tmp_path: Path) -> None:
    folder = mounted(rendered.one("ConfigMap", "daybook-catalogue", AIRFLOW), tmp_path / "catalogue")
    catalogue = load_catalogue([folder / "catalogue.json"])
    assert not catalogue.broken
    assert [each.name for each in catalogue.get("hello").inputs] == ["name"]
    assert catalogue.get("hello").source == str(folder / "hello.ipynb")


def test_config_maps_keep_their_names(rendered: Rendered) -> None:
    """A name with a digest would need a restart at each change."""
    assert {each["metadata"]["name"] for each in rendered.of("ConfigMap")} == {
        "daybook-workspaces",
        "daybook-catalogue",
    }


# -- pages -------------------------------------------------------------------------------------------------------


def test_the_pages_are_served_by_tls_alone(rendered: Rendered) -> None:
    spec = rendered.one("Ingress", "daybook", AIRFLOW)["spec"]
    (rule,), (tls,) = spec["rules"], spec["tls"]
    assert tls["hosts"] == [rule["host"]]
    assert tls["secretName"]


def test_no_file_of_the_manifests_is_unused() -> None:
    """A file that no kustomization names is applied by nobody."""
    for kustomization in KUBERNETES.rglob("kustomization.yaml"):
        text = kustomization.read_text()
        for beside in kustomization.parent.iterdir():
            if beside.is_file() and beside != kustomization:
                assert beside.name in text, f"{beside.relative_to(PROJECT)} is not named in its kustomization"
