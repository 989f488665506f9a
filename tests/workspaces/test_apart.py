"""What no two workspaces may share, and what roles need."""

import pytest
from pydantic import ValidationError

from builders import a_workspace
from daybook.workspaces import Workspaces

MOUNTED = {"volumes": [{"name": "v", "mount_path": "/v", "secret": "s"}]}
ROLE = "arn:aws:iam::123456789012:role/"


def web(name, role="own", **changes):
    credentials = {"kind": "service_account", "role_arn": ROLE + (name if role == "own" else role)}
    given = {"name": name, "bucket": f"s3://runs/{name}", "service_account": name, "credentials": credentials}
    return a_workspace(**{**given, **changes})


def sts(name, role="own"):
    credentials = {"kind": "sts", "role_arn": ROLE + (name if role == "own" else role)}
    return a_workspace(name=name, bucket=f"s3://runs/{name}", credentials=credentials)


def keyed(name, secret, namespace="default"):
    return a_workspace(name=name, namespace=namespace, credentials={"kind": "secret", "name": secret})


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (web("a", "x"), web("b", "x"), "the role arn:aws:iam::123456789012:role/x"),
        (web("a", "x"), sts("b", "x"), "the role arn:aws:iam::123456789012:role/x"),
        (web("a"), web("b", service_account="a"), "the service account a"),
        (web("a"), a_workspace(name="b", service_account="a"), "the service account a"),
        (web("a", service_account="default"), a_workspace(name="b"), "the service account default"),
        (keyed("a", "s"), keyed("b", "s"), "the Secret s"),
        (keyed("a", "s"), a_workspace(name="b", secret="s"), "the Secret s"),
        (keyed("a", "s"), a_workspace(name="b", pod=MOUNTED), "the Secret s"),
    ],
)
def test_two_workspaces_that_share_what_a_bucket_trusts_are_refused(one, other, shared):
    for pair in ((one, other), (other, one)):
        with pytest.raises(ValidationError, match=f"share {shared}; give each its own"):
            Workspaces(workspaces=pair)


@pytest.mark.parametrize(
    "pair",
    [
        (web("a"), web("b")),
        (web("a"), web("b", service_account="a", namespace="other")),
        (sts("a", "x"), sts("b", "x")),
        (keyed("a", "s"), keyed("b", "t")),
        (keyed("a", "s"), keyed("b", "s", "other")),
        (keyed("a", "s"), a_workspace(name="b", secret="s", namespace="other")),
        (a_workspace(name="a", service_account="x"), a_workspace(name="b", service_account="x")),
    ],
)
def test_what_does_no_harm_may_be_shared(pair):
    assert len(Workspaces(workspaces=pair).workspaces) == 2


def test_roles_are_for_s3_and_web_identity_needs_a_service_account():
    with pytest.raises(ValidationError, match="kind sts are for S3 buckets, and the bucket is memory:///"):
        a_workspace(credentials={"kind": "sts", "role_arn": ROLE + "x"})
    with pytest.raises(ValidationError, match="need a service_account of the workspace's own"):
        web("a", service_account=None)


@pytest.mark.parametrize(
    ("changes", "faulty"),
    [
        ({"members": ["ada"]}, False),  # the same people
        ({"members": ["bob"]}, True),
        ({"members": ["bob"], "secret": "b-secrets"}, False),
        ({"members": ["bob"], "namespace": "b"}, False),
        ({"members": ["bob"], "runs_in": "worker"}, False),
    ],
)
def test_secret_inputs_of_one_workspaces_members_are_out_of_anothers_reach(changes, faulty):
    pair = (a_workspace(name="a", members=["ada"]), a_workspace(name="b", **changes))
    if not faulty:
        Workspaces(workspaces=pair)
        return
    with pytest.raises(ValidationError, match="a and b share the Secret daybook-secrets for secret inputs"):
        Workspaces(workspaces=pair)
