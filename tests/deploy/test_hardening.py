"""The pods that the manifests themselves make: servers of the dev overlay, and Airflow where there is no chart."""

from __future__ import annotations

import pytest

from daybook.contract.spark_pod import (
    SPARK_KEY,
    SPARK_PORT,
    SPARK_READY_FILE,
    SparkPod,
)
from daybook.contract.variables import SPARK_KEY_VARIABLE, SPARK_SERVER_VARIABLE, SPARK_STATE_VARIABLE
from deploy.rendered import AIRFLOW, WITHOUT_HELM, Document, render, told
from pods.restricted import violations


@pytest.mark.parametrize("name", ["postgres", "s3"])
def test_dev_servers_meet_the_restricted_rules(name: str) -> None:
    template = render("dev").one("StatefulSet", name)["spec"]["template"]
    check_hardened(template)
    assert template["spec"]["automountServiceAccountToken"] is False


def test_a_standing_spark_server_meets_them_too_and_is_what_the_image_takes() -> None:
    template = render("prod").one("Deployment", "spark", "daybook-flights")["spec"]["template"]
    check_hardened(template)
    assert template["spec"]["automountServiceAccountToken"] is False
    (container,) = template["spec"]["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    told = SparkPod.model_validate_json(str(variables[SPARK_SERVER_VARIABLE]))
    workspace = render("prod").workspaces.get(told.server.workspace)
    assert told.server.bucket.url == workspace.bucket
    assert variables["AWS_ROLE_ARN"] == getattr(workspace.credentials, "role_arn", None)
    assert container["args"] == ["pod"]
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert variables[SPARK_KEY_VARIABLE] == f"{mounts['key']}/{SPARK_KEY}"
    assert variables[SPARK_STATE_VARIABLE] == mounts["state"]
    assert container["readinessProbe"]["exec"]["command"][-1] == f"{mounts['state']}/{SPARK_READY_FILE}"
    assert container["ports"][0]["containerPort"] == SPARK_PORT


def test_a_standing_spark_server_is_where_its_workspace_looks_for_it() -> None:
    rendered = render("prod")
    service = rendered.one("Service", "spark", "daybook-flights")
    template = rendered.one("Deployment", "spark", "daybook-flights")["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    spark = rendered.workspaces.get("flights").spark
    assert spark is not None
    assert spark.token is not None
    assert spark.remote == f"sc://spark.daybook-flights.svc.cluster.local:{SPARK_PORT}"
    secrets = {each["secret"]["secretName"] for each in template["spec"]["volumes"] if "secret" in each}
    assert (secrets, spark.token.key) == ({spark.token.name}, SPARK_KEY)


def check_hardened(pod: Document) -> None:
    """The restricted rules, and beyond them a read-only root and bounds."""
    assert not violations(pod)
    spec = pod["spec"]
    assert spec["enableServiceLinks"] is False
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert {"memory", "ephemeral-storage"} <= set(container["resources"]["limits"])


def airflow_without_helm() -> list[Document]:
    """What `dev-without-helm` has beyond `dev`."""
    below = render("dev").documents
    return [each for each in render(WITHOUT_HELM).documents if each not in below]


def test_airflow_without_helm_changes_nothing_else() -> None:
    documents = render(WITHOUT_HELM).documents
    assert all(each in documents for each in render("dev").documents)
    assert {each["metadata"]["namespace"] for each in airflow_without_helm()} == {AIRFLOW}
    assert {each["kind"] for each in airflow_without_helm()} == {"ConfigMap", "Service", "Deployment", "Job"}


@pytest.mark.parametrize(
    "document", [each for each in airflow_without_helm() if each["kind"] in ("Deployment", "Job")], ids=told
)
def test_airflow_without_helm_is_hardened_and_known_to_policies_and_rights(document: Document) -> None:
    template = document["spec"]["template"]
    check_hardened(template)
    account = template["spec"]["serviceAccountName"]
    assert render("dev").one("ServiceAccount", account, AIRFLOW)
    component = template["metadata"]["labels"]["component"]
    assert account == {"run-airflow-migrations": "airflow-other"}.get(component, f"airflow-{component}")
    selecting = [
        expression["values"]
        for policy in render("dev").of("NetworkPolicy", AIRFLOW)
        for expression in policy["spec"]["podSelector"].get("matchExpressions", ())
        if expression["key"] == "component"
    ]
    assert template["metadata"]["labels"]["tier"] == "airflow"
    assert any(component in values for values in selecting)
