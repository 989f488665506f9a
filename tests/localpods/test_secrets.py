"""Secrets through the API, as files in pods, renewed, collected with their owners, and tokens of service accounts."""

from __future__ import annotations

import base64
import json
import signal
from contextlib import suppress
from pathlib import Path

import jwt
import pytest
from kubernetes import client
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException

from localpods.really_started import NAMESPACE, TOKEN, Localpods, wait_until

FOLDER = "/var/run/secrets/daybook.dev/credentials"
VALUE = "a-value-that-nobody-may-see"


def a_secret(name: str, owner: str | None = None, value: str = VALUE) -> k8s.V1Secret:
    owners = [k8s.V1OwnerReference(api_version="v1", kind="Pod", name="owner", uid=owner)] if owner else None
    metadata = k8s.V1ObjectMeta(name=name, labels={"app": "daybook"}, owner_references=owners)
    return k8s.V1Secret(metadata=metadata, string_data={"key": value})


def mounting(localpods: Localpods, secret: str, code: str) -> str:
    return localpods.python(
        code,
        env=[{"name": "PLACE", "value": f"{FOLDER}/key"}],
        volumeMounts=[{"name": "given", "mountPath": FOLDER}],
        spec={"volumes": [{"name": "given", "secret": {"secretName": secret}}]},
    )


def test_a_secret_can_be_made_read_listed_changed_and_deleted(api: client.CoreV1Api) -> None:
    made = api.create_namespaced_secret(NAMESPACE, a_secret("whole"))
    assert base64.b64decode(made.data["key"]).decode() == VALUE
    assert made.string_data is None
    listed = api.list_namespaced_secret(NAMESPACE, label_selector="app=daybook").items
    assert "whole" in [one.metadata.name for one in listed]
    api.patch_namespaced_secret("whole", NAMESPACE, {"stringData": {"key": "other"}})
    assert base64.b64decode(api.read_namespaced_secret("whole", NAMESPACE).data["key"]) == b"other"
    api.delete_namespaced_secret("whole", NAMESPACE)
    with pytest.raises(ApiException) as gone:
        api.read_namespaced_secret("whole", NAMESPACE)
    assert gone.value.status == 404


def test_a_secret_that_is_there_is_not_made_again(api: client.CoreV1Api) -> None:
    api.create_namespaced_secret(NAMESPACE, a_secret("twice"))
    with pytest.raises(ApiException) as refused:
        api.create_namespaced_secret(NAMESPACE, a_secret("twice"))
    assert refused.value.status == 409
    assert json.loads(refused.value.body)["reason"] == "AlreadyExists"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"metadata": {"name": "x"}, "data": {"key": "no base64: " + VALUE}}, "data.key"),
        ({"metadata": {"name": "x"}, "data": {"../key": "aaaa"}}, "data"),
        ({"metadata": {"name": "x"}, "stringData": {"key": 5}}, "stringData.key"),
        ({"metadata": {"name": "../x"}}, "metadata.name"),
        ({"metadata": {}}, "metadata.name"),
    ],
)
def test_a_secret_that_cannot_be_is_refused_without_its_values(localpods: Localpods, body: dict, field: str) -> None:
    with localpods.http() as http:
        answer = http.post(f"/api/v1/namespaces/{NAMESPACE}/secrets", json=body)
    assert answer.status_code == 422
    assert field in [cause["field"] for cause in answer.json()["details"]["causes"]]
    assert VALUE not in answer.text


def test_a_pod_waits_for_its_secret_and_has_it_as_a_file_of_its_owner_alone(
    localpods: Localpods, api: client.CoreV1Api
) -> None:
    code = "import os, pathlib; p = pathlib.Path(os.environ['PLACE']); print(p.read_text(), oct(p.stat().st_mode))"
    name = mounting(localpods, "late", code)
    wait_until(lambda: any("FailedMount" in reason for reason, _ in localpods.events(name)))
    assert localpods.get(name)["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"
    api.create_namespaced_secret(NAMESPACE, a_secret("late"))
    localpods.finished(name)
    assert localpods.log(name).split() == [VALUE, "0o100600"]


def test_a_changed_secret_reaches_the_files_of_a_running_pod(localpods: Localpods, api: client.CoreV1Api) -> None:
    api.create_namespaced_secret(NAMESPACE, a_secret("renewed"))
    code = (
        "import os, pathlib, time\n"
        "p = pathlib.Path(os.environ['PLACE']); print(p.read_text(), flush=True)\n"
        "while p.read_text() != 'second': time.sleep(0.01)\n"
        "print('renewed')"
    )
    name = mounting(localpods, "renewed", code)
    localpods.in_phase(name, "Running")
    wait_until(lambda: VALUE in localpods.log(name))
    api.patch_namespaced_secret("renewed", NAMESPACE, {"stringData": {"key": "second"}})
    localpods.finished(name)
    assert localpods.log(name).splitlines()[-1] == "renewed"


def test_a_secret_goes_with_the_pod_that_owns_it(localpods: Localpods, api: client.CoreV1Api) -> None:
    name = localpods.python("pass")
    uid = localpods.finished(name)["metadata"]["uid"]
    api.create_namespaced_secret(NAMESPACE, a_secret("owned", uid))
    api.create_namespaced_secret(NAMESPACE, a_secret("free"))
    localpods.delete(name)
    assert localpods.gone(name)
    left = [one.metadata.name for one in api.list_namespaced_secret(NAMESPACE).items]
    assert "owned" not in left
    assert "free" in left


def test_a_secret_of_a_pod_that_is_gone_already_does_not_stay(api: client.CoreV1Api) -> None:
    api.create_namespaced_secret(NAMESPACE, a_secret("orphan", "00000000-0000-0000-0000-000000000000"))
    with pytest.raises(ApiException):
        api.read_namespaced_secret("orphan", NAMESPACE)


def test_values_lie_nowhere_but_among_secrets_and_in_running_pods_volumes(own_localpods: Localpods) -> None:
    api = own_localpods.api()
    uid = own_localpods.get(mounting(own_localpods, "kept", "import sys; sys.stdin.read()"))["metadata"]["uid"]
    api.create_namespaced_secret(NAMESPACE, a_secret("kept", uid))
    name = own_localpods.api().list_namespaced_pod(NAMESPACE).items[0].metadata.name
    own_localpods.finished(name)
    # The ended pod's volume is emptied.
    wait_until(lambda: [path.parts[-3] for path in holding(own_localpods.state)] == ["secrets"])
    assert VALUE not in (own_localpods.folder / "server.log").read_text()
    own_localpods.end(signal.SIGTERM)
    own_localpods.start()
    again = own_localpods.api()
    assert again.read_namespaced_secret("kept", NAMESPACE).metadata.owner_references[0].uid == uid
    own_localpods.delete(name)
    assert own_localpods.gone(name)
    wait_until(lambda: not holding(own_localpods.state))


def holding(folder: Path) -> list[Path]:
    coded = base64.b64encode(VALUE.encode())
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # files are replaced while they are looked at
            if (
                path.is_file()
                and not path.is_symlink()
                and any(each in path.read_bytes() for each in (VALUE.encode(), coded))
            ):
                found.append(path)
    return found


def test_a_pod_has_a_token_of_its_service_account_for_the_audience(localpods: Localpods) -> None:
    source = {"audience": "sts.example", "expirationSeconds": 900, "path": "token"}
    name = localpods.python(
        "import os; print(open(os.environ['TOKEN_FILE']).read())",
        env=[{"name": "TOKEN_FILE", "value": "/var/run/identity/token"}],
        volumeMounts=[{"name": "identity", "mountPath": "/var/run/identity"}],
        spec={
            "serviceAccountName": "team-a",
            "volumes": [{"name": "identity", "projected": {"sources": [{"serviceAccountToken": source}]}}],
        },
    )
    localpods.finished(name)
    claims = jwt.decode(localpods.log(name).strip(), options={"verify_signature": False})
    assert claims["aud"] == ["sts.example"]
    assert claims["sub"] == f"system:serviceaccount:{NAMESPACE}:team-a"
    assert claims["exp"] - claims["iat"] == 900
    assert TOKEN not in localpods.log(name)
