"""The pod of an attempt: its request arrives intact, it holds no secret, and Kubernetes' strictest policy takes it."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kubernetes.client import ApiClient

from builders import RUN_ID, a_request, a_workspace
from daybook.catalogue.run_settings import MAX_TIMEOUT_SECONDS
from daybook.contract.errors import InvalidRequest
from daybook.contract.request import MAX_REQUEST_BYTES, Limits, NotebookSource, RunRequest
from daybook.pods import CONTAINER, GRACE_SECONDS, Resources, build_pod
from daybook.pods.timing import MAX_DEADLINE_SECONDS, MAX_RUN_SECONDS
from daybook.workspaces import SecretReference, SparkSettings

RESOURCES = Resources(cpu="500m", memory="2Gi")
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)


def a_pod(request=None, **workspace):
    """The pod as it is sent to Kubernetes."""
    pod = build_pod(request or a_request(), a_workspace(**workspace), RESOURCES)
    return ApiClient().sanitize_for_serialization(pod)


def container_of(pod):
    (container,) = pod["spec"]["containers"]
    return container


def environment_of(pod):
    return {variable["name"]: variable for variable in container_of(pod)["env"]}


def expand(value, variables):
    """What Kubernetes makes of a variable's value, byte by byte as its `expansion.Expand` does."""
    data, out, at = value.encode(), bytearray(), 0
    while at < len(data):
        rest = data[at + 1 :]
        if data[at : at + 1] != b"$" or not rest:
            out += data[at : at + 1]
            at += 1
        elif rest.startswith(b"$"):
            out += b"$"
            at += 2
        elif rest.startswith(b"(") and b")" in rest:
            name, _, _ = rest[1:].partition(b")")
            out += variables.get(name.decode(), f"$({name.decode()})").encode()
            at += len(name) + 3
        else:
            out += b"$" + chr(rest[0]).encode()  # one byte taken for a character
            at += 2
    return out.decode()


def test_the_expansion_rule_is_kubernetes_own():
    """The table is from Kubernetes' own expand_test.go."""
    variables = {"VAR_A": "A", "VAR_B": "B", "VAR_REF": "$(VAR_A)", "VAR_EMPTY": ""}
    table = {
        "$(VAR_A)": "A",
        "___$(VAR_B)___": "___B___",
        "$(VAR_A)$(VAR_B)": "AB",
        "$(VAR_REF)": "$(VAR_A)",
        "$$(VAR_A)": "$(VAR_A)",
        "$$$(VAR_A)": "$A",
        "$$$$(VAR_A)": "$$(VAR_A)",
        "f000-$$VAR_A": "f000-$VAR_A",
        "foo\\$(VAR_A)bar": "foo\\Abar",
        "$(VAR_DNE)": "$(VAR_DNE)",
        "foo$(VAR_EMPTY)bar": "foobar",
        "$(VAR_A": "$(VAR_A",
        "$VAR_A": "$VAR_A",
        "$": "$",
        "$$": "$",
        "a$": "a$",
    }
    assert {value: expand(value, variables) for value in table} == table


@given(
    st.dictionaries(
        texts, texts | st.lists(st.sampled_from(["$", "(", ")", "HOME", "é", "a"])).map("".join), max_size=3
    )
)
@example({"x": "$(HOME)"})
@example({"x": "$$(HOME)"})
@example({"x": "$$$(HOME)"})
@example({"x": "100 $"})
@example({"x": "$é"})
def test_a_request_arrives_exactly_as_it_was_sent(parameters):
    request = a_request(parameters=parameters)
    sent = environment_of(a_pod(request))["DAYBOOK_REQUEST"]["value"]
    arrived = expand(sent, {"HOME": "/root", "DAYBOOK_REQUEST": "x"})
    assert arrived == request.to_json()
    assert RunRequest.from_json(arrived) == request


def test_what_a_workspace_sets_arrives_exactly_as_it_is_written():
    spark = SparkSettings(remote="sc://host:1/;user_id=$(HOME)")
    found = environment_of(a_pod(environment={"B": "pa$$w$(HOME)", "A": "1"}, spark=spark))
    assert expand(found["B"]["value"], {"HOME": "x"}) == "pa$$w$(HOME)"
    assert expand(found["SPARK_REMOTE"]["value"], {"HOME": "x"}) == "sc://host:1/;user_id=$(HOME)"


def test_secrets_are_named_and_never_written():
    pod = a_pod(
        a_request(secrets={"token": "service-token"}),
        secret="team-secrets",
        credentials={"kind": "secret", "name": "team-s3"},
        spark=SparkSettings(remote="sc://host:15002", token=SecretReference(name="spark", key="psk")),
    )
    found = environment_of(pod)
    assert found["DAYBOOK_SECRET_token"] == {
        "name": "DAYBOOK_SECRET_token",
        "valueFrom": {"secretKeyRef": {"name": "team-secrets", "key": "service-token"}},
    }
    assert found["SPARK_CONNECT_AUTHENTICATE_TOKEN"]["valueFrom"] == {"secretKeyRef": {"name": "spark", "key": "psk"}}
    assert container_of(pod)["envFrom"] == [{"secretRef": {"name": "team-s3"}}]
    with_values = {name for name, variable in found.items() if "value" in variable}
    assert with_values == {"DAYBOOK_REQUEST", "HOME", "SPARK_REMOTE"}


DATABRICKS = {"host": "https://x.databricks.com", "cluster_id": "1126-1-a", "limits": {"command_seconds": 60}}
TOKEN = {"name": "databricks", "key": "token"}


def on_kernel(kernel):
    return a_request(notebook=NotebookSource(id="nb", source="/nb.ipynb", kernel=kernel))


@pytest.mark.parametrize(
    ("way", "plain", "secret"),
    [
        ({"token": TOKEN}, {"DATABRICKS_AUTH_TYPE": "pat"}, "DATABRICKS_TOKEN"),
        (
            {"oauth": {"client_id": "4c1f", "client_secret": TOKEN}},
            {"DATABRICKS_AUTH_TYPE": "oauth-m2m", "DATABRICKS_CLIENT_ID": "4c1f"},
            "DATABRICKS_CLIENT_SECRET",
        ),
    ],
)
def test_the_kernel_databricks_gets_its_workspaces_cluster_and_a_reference_to_its_key(way, plain, secret):
    found = environment_of(a_pod(on_kernel("databricks"), databricks={**DATABRICKS, **way}))
    ours = {name: each for name, each in found.items() if "DATABRICKS" in name}
    assert ours.pop(secret)["valueFrom"] == {"secretKeyRef": TOKEN}
    assert {name: each["value"] for name, each in ours.items()} == {
        "DATABRICKS_HOST": "https://x.databricks.com",
        "DATABRICKS_CLUSTER_ID": "1126-1-a",
        "DAYBOOK_DATABRICKS_COMMAND_SECONDS": "60.0",
        "DAYBOOK_DATABRICKS_SYNC_ENABLED": "false",
        **plain,
    }


@pytest.mark.parametrize("kernel", [None, "python3", "databricks2"])
def test_no_other_kernel_gets_anything_of_databricks(kernel):
    pod = a_pod(on_kernel(kernel), databricks={**DATABRICKS, "token": TOKEN})
    assert "DATABRICKS" not in json.dumps(pod).upper().replace("DATABRICKS2", "")


def test_a_workspace_without_spark_and_secrets_adds_nothing():
    pod = a_pod()
    assert list(environment_of(pod)) == ["DAYBOOK_REQUEST", "HOME"]
    assert "envFrom" not in container_of(pod)


def request_of(size):
    """A request whose document has so many bytes."""
    base = len(a_request(parameters={"x": ""}).to_json().encode())
    return a_request(parameters={"x": "x" * (size - base)})


def test_a_request_may_be_as_large_as_an_environment_variable_can_be():
    pod = a_pod(request_of(MAX_REQUEST_BYTES))
    assert len(environment_of(pod)["DAYBOOK_REQUEST"]["value"]) == MAX_REQUEST_BYTES
    assert len("DAYBOOK_REQUEST=") + MAX_REQUEST_BYTES < 128 * 1024


def test_a_larger_request_is_refused_with_its_size_and_the_way_out():
    with pytest.raises(
        InvalidRequest, match=rf"too large: parameters: .* {MAX_REQUEST_BYTES + 1} bytes, .* pass its URL"
    ):
        a_pod(request_of(MAX_REQUEST_BYTES + 1))


def test_size_is_counted_in_bytes_not_in_characters():
    with pytest.raises(InvalidRequest, match="too large"):
        a_pod(a_request(parameters={"x": "é" * (MAX_REQUEST_BYTES // 2)}))


@pytest.mark.parametrize(
    ("timeout", "deadline"),
    [(0.5, 4501), (3600, 8100), (3600.2, 8101), (1e300, MAX_DEADLINE_SECONDS), (2**31 - 1, MAX_DEADLINE_SECONDS)],
)
def test_the_runner_ends_a_run_that_takes_too_long_before_kubernetes_does(timeout, deadline):
    pod = a_pod(a_request(limits=Limits(timeout_seconds=timeout)))
    assert pod["spec"]["activeDeadlineSeconds"] == deadline


def test_a_run_without_a_time_limit_ends_with_its_workspaces_maximum_or_after_a_week():
    endless = a_request(limits=Limits(timeout_seconds=None))
    assert a_pod(endless, maximum={"timeout_seconds": 60})["spec"]["activeDeadlineSeconds"] == 60 + 4500
    assert a_pod(endless)["spec"]["activeDeadlineSeconds"] == MAX_RUN_SECONDS + 4500
    assert MAX_RUN_SECONDS == MAX_TIMEOUT_SECONDS


def test_the_pod_has_no_right_in_the_cluster():
    assert a_pod(service_account="notebooks")["spec"]["automountServiceAccountToken"] is False


def test_the_whole_pod():
    pod = a_pod(a_request(attempt=2, image="own/image:1"), namespace="team", service_account="notebooks")
    environment = container_of(pod).pop("env")
    assert [variable["name"] for variable in environment] == ["DAYBOOK_REQUEST", "HOME"]
    assert pod == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "daybook-flights-delays-d7edbf7512-2",
            "namespace": "team",
            "labels": {
                "app.kubernetes.io/name": "daybook",
                "app.kubernetes.io/component": "run",
                "daybook.dev/run": RUN_ID,
                "daybook.dev/attempt": "2",
                "daybook.dev/notebook": "flights_delays",
                "daybook.dev/workspace": "local",
                "daybook.dev/user": "alice",
            },
            "annotations": {"daybook.dev/notebook": "flights_delays", "daybook.dev/run": RUN_ID},
        },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": "notebooks",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "hostNetwork": False,
            "hostPID": False,
            "hostIPC": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "runAsGroup": 1000,
                "fsGroup": 1000,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "activeDeadlineSeconds": 8100,
            "volumes": [{"name": name, "emptyDir": {"sizeLimit": "10Gi"}} for name in ("work", "home", "tmp")],
            "containers": [
                {
                    "name": CONTAINER,
                    "image": "own/image:1",
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["execute"],
                    "workingDir": "/home/daybook/work",
                    "resources": {
                        "requests": {"cpu": "500m", "memory": "2Gi", "ephemeral-storage": "1Gi"},
                        "limits": {"memory": "2Gi", "ephemeral-storage": "10Gi"},
                    },
                    "volumeMounts": [
                        {"name": "work", "mountPath": "/home/daybook/work"},
                        {"name": "home", "mountPath": "/home/daybook"},
                        {"name": "tmp", "mountPath": "/tmp"},
                    ],
                    "securityContext": {
                        "runAsNonRoot": True,
                        "privileged": False,
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                }
            ],
        },
    }


def test_a_workspace_gives_the_image_where_the_notebook_wants_none():
    assert container_of(a_pod(image="team/image:2"))["image"] == "team/image:2"


def test_a_run_of_nobody_has_no_users_label():
    assert "daybook.dev/user" not in a_pod(a_request(user=None))["metadata"]["labels"]


@given(notebook=texts, user=st.none() | texts, workspace=texts, attempt=st.integers(1, 10**6))
def test_any_request_makes_a_pod_with_valid_names(notebook, user, workspace, attempt):
    source = NotebookSource(id=notebook, source="file:///n.ipynb")
    pod = a_pod(a_request(notebook=source, user=user, workspace=workspace, attempt=attempt))
    assert DNS_LABEL.fullmatch(pod["metadata"]["name"])
    assert all(LABEL_VALUE.fullmatch(value) for value in pod["metadata"]["labels"].values())
    assert json.loads(json.dumps(pod)) == pod


def test_equal_requests_make_equal_pods():
    assert a_pod() == a_pod()
