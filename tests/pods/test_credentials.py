"""How a pod comes to its credentials, kind by kind; never by a value in it."""

import json

import pytest
from kubernetes.client import ApiClient

from builders import RUN_ID, a_request, a_workspace
from daybook.contract import keys
from daybook.pods import Resources, build_pod

ROLE = "arn:aws:iam::123456789012:role/team-a"


def pod_with(**workspace):
    given = {"bucket": "s3://runs/a", **workspace}
    return ApiClient().sanitize_for_serialization(build_pod(a_request(), a_workspace(**given), Resources("1", "1Gi")))


def added(pod):
    """Variables, volumes and mounts beside those of every pod."""
    container = pod["spec"]["containers"][0]
    variables = {
        one["name"]: one.get("value") for one in container["env"] if one["name"] not in ("DAYBOOK_REQUEST", "HOME")
    }
    volumes = [one for one in pod["spec"]["volumes"] if "emptyDir" not in one]
    mounts = [one for one in container["volumeMounts"] if one["name"] in {volume["name"] for volume in volumes}]
    return variables, volumes, mounts, container.get("envFrom")


def test_none_adds_nothing():
    assert added(pod_with()) == ({}, [], [], None)


def test_a_secret_becomes_variables():
    assert added(pod_with(credentials={"kind": "secret", "name": "keys"}))[1:] == (
        [],
        [],
        [{"secretRef": {"name": "keys"}}],
    )


def test_a_service_account_has_one_token_for_one_audience_and_says_whose_it_is_to_become():
    credentials = {"kind": "service_account", "role_arn": ROLE, "audience": "minio"}
    pod = pod_with(service_account="team-a", credentials=credentials)
    variables, volumes, mounts, env_from = added(pod)
    assert variables == {
        "AWS_ROLE_ARN": ROLE,
        "AWS_ROLE_SESSION_NAME": keys.pod_name(RUN_ID, 1),
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/daybook.dev/identity/token",
    }
    token = {"audience": "minio", "expirationSeconds": 3600, "path": "token"}
    assert volumes == [{"name": "daybook-identity", "projected": {"sources": [{"serviceAccountToken": token}]}}]
    assert mounts == [
        {"name": "daybook-identity", "mountPath": "/var/run/secrets/daybook.dev/identity", "readOnly": True}
    ]
    assert env_from is None
    assert pod["spec"]["serviceAccountName"] == "team-a"
    assert pod["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    "credentials", [{"kind": "sts", "role_arn": ROLE}, {"kind": "service_account", "role_arn": ROLE, "audience": "a"}]
)
def test_a_workspaces_volume_may_be_called_as_ours_are_about(credentials):
    theirs = [
        {"name": name, "mount_path": f"/{name}", "secret": "theirs"} for name in ("credentials", "identity", "shm")
    ]
    pod = pod_with(service_account="team-a", credentials=credentials, pod={"volumes": theirs})
    names = [volume["name"] for volume in pod["spec"]["volumes"]]
    assert len(names) == len(set(names))


def test_sts_names_a_secret_that_is_not_there_yet_and_must_be():
    variables, volumes, mounts, env_from = added(pod_with(credentials={"kind": "sts", "role_arn": ROLE}))
    folder = "/var/run/secrets/daybook.dev/credentials"
    assert variables == {"DAYBOOK_CREDENTIALS_FILE": f"{folder}/credentials.json"}
    secret = {"secretName": keys.secret_name(RUN_ID, 1), "defaultMode": 0o444, "optional": False}
    assert volumes == [{"name": "daybook-credentials", "secret": secret}]
    assert mounts == [{"name": "daybook-credentials", "mountPath": folder, "readOnly": True}]
    assert env_from is None


@pytest.mark.parametrize(
    ("store", "variables"),
    [
        ({"region": "eu-west-1"}, {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}),
        (
            {"endpoint": "https://minio", "sts_endpoint": "https://sts", "path_style": False, "connection": "minio"},
            {
                "AWS_ENDPOINT_URL": "https://minio",
                "AWS_ENDPOINT_URL_STS": "https://sts",
                "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
            },
        ),
        ({"path_style": True}, {"AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false"}),
    ],
)
def test_the_store_is_told_in_variables_and_airflows_connection_is_not(store, variables):
    pod = pod_with(store=store)
    assert added(pod)[0] == variables
    assert "connection" not in json.dumps(pod)
