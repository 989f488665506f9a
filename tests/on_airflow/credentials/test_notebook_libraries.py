"""What a notebook's own libraries find in its pod: boto3 uses, and renews, what the runner tells it about."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from daybook.contract.errors import StoreFailed
from daybook.on_airflow.credentials.connections import aws_hook
from daybook.on_airflow.credentials.roles import Role, SessionCredentials
from daybook.runner.aws_config import aws_variables
from daybook.storage import open_store
from daybook.storage.credentials import WebIdentity
from on_airflow.credentials.cloud import BUCKET, role_of


@pytest.fixture
def pod(cloud, tmp_path, monkeypatch):
    """A pod of team a: its variables are set, its file holds a session; gives the role and the file."""
    workspace = cloud.workspace("a")
    role, file = Role.of(workspace, aws_hook(workspace), {}), tmp_path / "credentials.json"
    file.write_text(role.assume("first").document())
    environment = {**workspace.store_environment, "DAYBOOK_CREDENTIALS_FILE": str(file)}
    for name, value in {**environment, **aws_variables(environment, tmp_path / "config")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    return role, file


def test_boto3_has_the_workspaces_bucket_and_no_other(pod):
    s3 = boto3.session.Session().client("s3")
    assert s3.get_object(Bucket=BUCKET, Key="a/theirs")["Body"].read() == b"of team a"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket=BUCKET, Key="b/theirs")


def test_boto3_reads_renewed_credentials_before_the_old_ones_expire(pod):
    role, file = pod
    found = json.loads(file.read_text())
    soon = datetime.now(UTC) + timedelta(minutes=12)
    old = SessionCredentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], soon)
    file.write_text(old.document())
    session = boto3.session.Session()
    assert session.get_credentials().get_frozen_credentials().access_key == found["AccessKeyId"]
    renewed = role.assume("second")
    file.write_text(renewed.document())
    assert session.get_credentials().get_frozen_credentials().access_key == renewed.access_key_id
    assert session.client("s3").get_object(Bucket=BUCKET, Key="a/theirs")["Body"].read() == b"of team a"


@pytest.mark.parametrize(("virtual_host", "host"), [("true", f"{BUCKET}.example.org"), ("false", "example.org")])
def test_boto3_addresses_the_bucket_as_the_workspace_says(tmp_path, monkeypatch, virtual_host, host):
    environment = {"AWS_ENDPOINT_URL": "https://example.org", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": virtual_host}
    for name, value in {**environment, **aws_variables(environment, tmp_path / "config")}.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.session.Session("k", "s", region_name="us-east-1").client("s3")
    url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "k"})
    assert url.split("/")[2] == host


def test_web_identity_has_the_roles_bucket_and_no_other(cloud, tmp_path):
    """moto takes any token and is asked without credentials, so it enforces nothing for that one call."""
    (tmp_path / "token").write_text("the.pods.token")
    cloud.enforce(False)
    found = WebIdentity(tmp_path / "token", role_of("a"), "test", cloud.endpoint)()
    cloud.enforce(True)
    environment = {"AWS_ENDPOINT_URL": cloud.endpoint, "AWS_REGION": "us-east-1"}
    assert open_store(f"s3://{BUCKET}/a", environment, lambda: found).read("theirs") == b"of team a"
    with pytest.raises(StoreFailed, match="AccessDenied"):
        open_store(f"s3://{BUCKET}/b", environment, lambda: found).read("theirs")
