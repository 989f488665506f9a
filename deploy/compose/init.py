"""Sets the stack up, in the container `airflow-init`: database, roles, buckets, Secrets, Airflow's way to Kubernetes.

Each step can be done again. What fails ends the container with its error, and nothing that waits for it starts.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import boto3
import yaml
from botocore.exceptions import ClientError
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException

ADMIN_KUBECONFIG = Path("/kube-admin/config")
AIRFLOW_KUBECONFIG = Path("/opt/airflow/kube/config")
IDENTITIES = Path("/run/secrets/s3_identities")
WORKSPACES = Path("/opt/compose/workspaces.yaml")
KUBERNETES = "https://kubernetes:6443"
S3 = "http://s3:8333"
REGION = "us-east-1"
STORE_SECRET = "daybook-store"  # noqa: S105 - the Secret's name, as in workspaces.yaml


def main() -> None:
    """The whole set-up."""
    keys = {each["name"]: each["credentials"][0] for each in json.loads(IDENTITIES.read_text())["identities"]}
    workspaces = yaml.safe_load(WORKSPACES.read_text())["workspaces"]
    subprocess.run(["airflow", "db", "migrate"], check=True)
    subprocess.run(["airflow", "fab-db", "migrate"], check=True)
    subprocess.run(["airflow", "roles", "create", *(each["name"] for each in workspaces)], check=True)
    make_buckets([each["name"] for each in workspaces], keys["airflow"])
    api = admin()
    write_kubeconfig(api)
    for each in workspaces:
        put_secret(api, each["namespace"], keys[each["name"]])


def make_buckets(names: list[str], key: dict[str, str]) -> None:
    """A bucket for each workspace."""
    s3 = boto3.client(
        "s3",
        endpoint_url=S3,
        region_name=REGION,
        aws_access_key_id=key["accessKey"],
        aws_secret_access_key=key["secretKey"],
    )
    for name in names:
        try:
            s3.create_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise


def admin() -> client.CoreV1Api:
    """Kubernetes, with k3s' own rights, under its name in the compose network."""
    given = yaml.safe_load(ADMIN_KUBECONFIG.read_text())
    given["clusters"][0]["cluster"]["server"] = KUBERNETES
    return client.CoreV1Api(config.new_client_from_config_dict(given))


def write_kubeconfig(api: client.CoreV1Api) -> None:
    """Airflow's kubeconfig: its own service account, which kubernetes.yaml gives its few rights; never k3s' admin."""
    token = _token(api)
    given = yaml.safe_load(ADMIN_KUBECONFIG.read_text())
    given["clusters"][0]["cluster"]["server"] = KUBERNETES
    given["users"] = [{"name": given["contexts"][0]["context"]["user"], "user": {"token": token}}]
    AIRFLOW_KUBECONFIG.unlink(missing_ok=True)
    with os.fdopen(os.open(AIRFLOW_KUBECONFIG, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        yaml.safe_dump(given, file)


def _token(api: client.CoreV1Api) -> str:
    """What Kubernetes fills into the Secret of kubernetes.yaml; k3s is ready a little before it has."""
    stream = watch.Watch().stream(
        api.list_namespaced_secret, "daybook", field_selector="metadata.name=airflow-token", timeout_seconds=120
    )
    for event in stream:
        if token := (event["object"].data or {}).get("token"):
            return base64.b64decode(token).decode()
    raise SystemExit(
        "Kubernetes has not made the token of service account daybook/airflow; see `docker compose logs kubernetes`"
    )


def put_secret(api: client.CoreV1Api, namespace: str, key: dict[str, str]) -> None:
    """The key of the workspace's bucket, where its pods find it."""
    values = {"AWS_ACCESS_KEY_ID": key["accessKey"], "AWS_SECRET_ACCESS_KEY": key["secretKey"]}
    secret = client.V1Secret(metadata=client.V1ObjectMeta(name=STORE_SECRET), string_data=values)
    try:
        api.create_namespaced_secret(namespace, secret)
    except ApiException as error:
        if error.status != 409:
            raise
        api.replace_namespaced_secret(STORE_SECRET, namespace, secret)


if __name__ == "__main__":
    main()
