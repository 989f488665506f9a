"""Roles, assumed through Airflow's connections against an API that enforces IAM: nobody reaches another's data."""

import json

import pytest
from botocore.exceptions import ClientError

from daybook.contract.errors import InvalidSettings, StoreFailed
from daybook.on_airflow.credentials.connections import Buckets, aws_hook
from daybook.on_airflow.credentials.policy import session_policy
from daybook.on_airflow.credentials.roles import Role
from daybook.storage import ObjectMissing, StoreRefused, open_store
from daybook.storage.credentials import CredentialsRefused
from daybook.workspaces.patterns import fits
from on_airflow.credentials.cloud import BUCKET, own_part, role_of


def assumed(cloud, team, **changes):
    workspace = cloud.workspace(team, **changes)
    return Role.of(workspace, aws_hook(workspace), {}).assume("test")


def as_a_notebook(cloud, credentials):
    return cloud.client(
        "s3",
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
    )


def as_our_runner(cloud, credentials, url):
    environment = {"AWS_ENDPOINT_URL": cloud.endpoint, "AWS_REGION": "us-east-1"}
    return open_store(url, environment, credentials.for_obstore)


def test_a_session_reads_and_writes_its_own_prefix(cloud):
    credentials = assumed(cloud, "a")
    s3 = as_a_notebook(cloud, credentials)
    s3.put_object(Bucket=BUCKET, Key="a/new", Body=b"x")
    assert s3.get_object(Bucket=BUCKET, Key="a/theirs")["Body"].read() == b"of team a"
    store = as_our_runner(cloud, credentials, f"s3://{BUCKET}/a")
    store.write("k", b"y")
    assert store.read("new") == b"x"


@pytest.mark.parametrize("verb", ["get_object", "put_object", "delete_object"])
def test_a_notebook_reaches_no_other_workspaces_data_by_boto3(cloud, verb):
    s3 = as_a_notebook(cloud, assumed(cloud, "a"))
    with pytest.raises(ClientError) as denied:
        getattr(s3, verb)(Bucket=BUCKET, Key="b/theirs")
    assert denied.value.response["Error"]["Code"] == "AccessDenied"


def test_a_notebook_reaches_no_other_workspaces_data_by_obstore(cloud):
    store = as_our_runner(cloud, assumed(cloud, "a"), f"s3://{BUCKET}/b")
    with pytest.raises(StoreFailed, match="AccessDenied"):
        store.read("theirs")
    with pytest.raises(StoreFailed, match="AccessDenied"):
        store.write("theirs", b"not any more")


def test_a_session_cannot_become_another_workspaces_role(cloud):
    credentials = assumed(cloud, "a")
    sts = cloud.client(
        "sts",
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
    )
    with pytest.raises(ClientError) as denied:
        sts.assume_role(RoleArn=role_of("b"), RoleSessionName="sly")
    assert denied.value.response["Error"]["Code"] == "AccessDenied"


def test_a_role_that_airflow_may_not_assume_is_told_with_what_to_do(cloud):
    with pytest.raises(CredentialsRefused, match=r"role/team-c \(AccessDenied: .*trust policy must let Airflow"):
        assumed(cloud, "c")


@pytest.mark.parametrize(
    ("bucket", "resource", "listed"),
    [
        ("s3://runs", "arn:aws:s3:::runs/*", None),
        ("s3://runs/", "arn:aws:s3:::runs/*", None),
        ("s3a://runs/team/a/", "arn:aws:s3:::runs/team/a/*", "team/a/*"),
        ("s3://runs/o*d$", "arn:aws:s3:::runs/o${*}d${$}/*", "o${*}d${$}/*"),
    ],
)
def test_a_session_policy_leaves_the_prefix_and_nothing_beside_it(bucket, resource, listed):
    listing, files = json.loads(session_policy(bucket, role_of("a")))["Statement"]
    assert files["Resource"] == resource
    assert listing["Resource"] == "arn:aws:s3:::runs"
    assert listing.get("Condition", {}).get("StringLike", {}).get("s3:prefix") == listed
    assert "s3:*" not in json.dumps([listing, files])


def test_a_session_lists_nothing_of_a_workspace_whose_prefix_begins_alike():
    listing = json.loads(session_policy("s3://runs/team", role_of("a")))["Statement"][0]
    pattern = listing["Condition"]["StringLike"]["s3:prefix"]
    # S3 lists every key that begins with the prefix asked for.
    assert not [asked for asked in ("", "t", "team", "team2", "team2/") if fits(pattern, asked)]
    assert fits(pattern, "team/")


def test_a_session_policy_is_for_no_other_bucket():
    assert "arn:aws:s3:::run${*}/*" in session_policy("s3://run*", role_of("a"))


def test_a_session_policy_is_in_the_partition_of_its_role():
    assert "arn:aws-cn:s3:::runs/*" in session_policy("s3://runs", "arn:aws-cn:iam::1:role/x")


def test_the_session_policy_alone_would_keep_a_role_that_both_share_apart(cloud):
    """moto does not enforce session policies, so here the very same document is a role's own policy."""
    cloud.enforce(False)
    statement = [json.loads(session_policy(f"s3://{BUCKET}/a", role_of("a")))["Statement"][1]]
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    setup = cloud.client("iam", aws_access_key_id="setup", aws_secret_access_key="setup")
    setup.put_role_policy(RoleName="team-a", PolicyName="own", PolicyDocument=document)
    cloud.enforce(True)
    s3 = as_a_notebook(cloud, assumed(cloud, "a"))
    s3.put_object(Bucket=BUCKET, Key="a/new", Body=b"x")
    with pytest.raises(ClientError):
        s3.get_object(Bucket=BUCKET, Key="b/theirs")


def test_the_policy_duration_and_external_id_are_asked_for(cloud):
    asked = {}

    class Sts:
        def assume_role(self, **given):
            asked.update(given)
            return cloud.client("sts").assume_role(RoleArn=given["RoleArn"], RoleSessionName="test")

    credentials = {"kind": "sts", "role_arn": role_of("a"), "external_id": "ours", "session_seconds": 1800}
    workspace = cloud.workspace("a", credentials=credentials)
    Role(workspace, workspace.credentials, Sts()).assume("daybook-x-1")
    assert asked == {
        "RoleArn": role_of("a"),
        "RoleSessionName": "daybook-x-1",
        "Policy": session_policy(f"s3://{BUCKET}/a", role_of("a")),
        "DurationSeconds": 1800,
        "ExternalId": "ours",
    }


def test_the_control_plane_reads_a_bucket_as_the_workspaces_role(cloud):
    store = Buckets().open(cloud.workspace("a"), {})
    assert store.read("theirs") == b"of team a"
    other = Buckets().open(cloud.workspace("a", bucket=f"s3://{BUCKET}/b"), {})
    with pytest.raises(StoreFailed, match="AccessDenied"):
        other.read("theirs")


def test_a_role_that_is_refused_shows_at_the_bucket_in_one_line(cloud):
    with pytest.raises(StoreRefused, match="no credentials: STS does not let Airflow be") as refused:
        Buckets().open(cloud.workspace("c"), {}).read("x")
    assert "\n" not in str(refused.value)


def test_a_connection_gives_keys_region_and_endpoint(cloud, monkeypatch):
    extra = {"region_name": "us-east-1", "endpoint_url": cloud.endpoint}
    connection = {"conn_type": "aws", "login": cloud.key, "password": cloud.secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_STORE", json.dumps(connection))
    workspace = cloud.workspace("a", store={"connection": "aws_store"}, credentials={"kind": "none"})
    with pytest.raises(StoreFailed, match="AccessDenied"):
        Buckets().open(workspace, {}).read("theirs")
    cloud.enforce(False)
    policy = own_part("a")
    setup = cloud.client("iam", aws_access_key_id="setup", aws_secret_access_key="setup")
    setup.put_user_policy(UserName="airflow", PolicyName="read", PolicyDocument=policy)
    cloud.enforce(True)
    assert Buckets().open(workspace, {}).read("theirs") == b"of team a"


def test_a_connection_that_is_not_there_is_named(cloud):
    workspace = cloud.workspace("a", store={"connection": "nowhere"})
    with pytest.raises(InvalidSettings, match="Airflow has no connection 'nowhere'"):
        Buckets().open(workspace, {})


def test_a_connection_that_gives_no_session_is_told_in_one_line(cloud, monkeypatch):
    connection = {"conn_type": "aws", "extra": {"profile_name": "nobody"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_PROFILE", json.dumps(connection))
    workspace = cloud.workspace("a", store={"connection": "aws_profile"})
    with pytest.raises(StoreFailed, match=r"the AWS connection aws_profile gives no session: .*nobody"):
        Buckets().open(workspace, {})


def test_a_role_is_assumed_once_for_many_looks_at_its_bucket(cloud, monkeypatch):
    asked = []
    real = Role.assume
    monkeypatch.setattr(Role, "assume", lambda self, name: asked.append(name) or real(self, name))
    buckets = Buckets()
    for _ in range(3):
        with pytest.raises(ObjectMissing):
            buckets.open(cloud.workspace("a"), {}).read("none")
    assert asked == ["daybook-control-plane"]


def test_credentials_show_in_no_repr(cloud):
    credentials = assumed(cloud, "a")
    for value in (credentials.secret_access_key, credentials.session_token):
        assert value not in repr(credentials)
        assert value in credentials.document()
