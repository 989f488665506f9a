"""What a runner in the worker is given: what the control plane reaches the bucket with, and no more."""

import pytest

from builders import a_workspace
from daybook.contract.errors import StoreFailed
from daybook.on_airflow.credentials import connections
from daybook.on_airflow.credentials.connections import Buckets, Way
from daybook.storage.credentials import CredentialsRefused

OWN = {"AWS_ACCESS_KEY_ID": "workers", "AWS_SECRET_ACCESS_KEY": "workers", "AWS_SESSION_TOKEN": "workers"}


def buckets_reached(monkeypatch, credentials):
    monkeypatch.setattr(connections, "way_to", lambda *_: Way({"AWS_REGION": "eu-west-1"}, credentials))
    return Buckets()


def test_a_connections_credentials_take_the_place_of_the_workers(monkeypatch):
    found = {"access_key_id": "teams", "secret_access_key": "theirs", "token": None, "expires_at": None}
    buckets = buckets_reached(monkeypatch, lambda: found)
    workspace = a_workspace(bucket="s3://team", store={"connection": "team"})
    assert buckets.variables(workspace, {**OWN, "AWS_CA_BUNDLE": "/ca"}) == {
        "AWS_ACCESS_KEY_ID": "teams",
        "AWS_SECRET_ACCESS_KEY": "theirs",
        "AWS_REGION": "eu-west-1",
        "AWS_CA_BUNDLE": "/ca",
    }


def test_a_workspace_without_a_connection_has_the_workers_own():
    assert Buckets().variables(a_workspace(bucket="s3://team"), OWN) == OWN


def test_credentials_that_are_refused_start_nothing(monkeypatch):
    def refused():
        raise CredentialsRefused("no such role")

    buckets = buckets_reached(monkeypatch, refused)
    with pytest.raises(StoreFailed, match="workspace local: no credentials for its bucket: no such role") as failed:
        buckets.variables(a_workspace(bucket="s3://team", store={"connection": "team"}), OWN)
    assert not failed.value.retry_helps
