"""A pod's Secret: made after the pod, owned by it, renewed in time; and a pod without one does not stay."""

import base64
import json
import logging
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes_asyncio.client import ApiClient, Configuration

from builders import RUN_ID, a_request
from daybook.contract import keys
from daybook.on_airflow.credentials.connections import aws_hook
from daybook.on_airflow.credentials.handover import Handover, due_at
from daybook.on_airflow.credentials.in_triggerer import Renewal
from daybook.on_airflow.credentials.of_pod import PodCredentials
from daybook.on_airflow.credentials.roles import Role, SessionCredentials
from daybook.pods import Resources, build_pod
from daybook.storage.credentials import CredentialsRefused, CredentialsUnavailable
from localpods.really_started import IMAGE, TOKEN, Localpods, wait_until

NAMESPACE = "default"
SECRET = keys.secret_name(RUN_ID, 1)


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Localpods]:
    running = Localpods(tmp_path)
    running.start()
    yield running
    running.close()


@pytest.fixture
def api(pods: Localpods) -> Iterator[client.CoreV1Api]:
    made = pods.api()
    yield made
    made.api_client.rest_client.pool_manager.clear()


@pytest.fixture
def handover(cloud) -> Handover:
    workspace = cloud.workspace("a")
    return Handover(Role.of(workspace, aws_hook(workspace), {}), RUN_ID, 1, NAMESPACE)


def made(api, cloud):
    pod = build_pod(a_request(), cloud.workspace("a", image=IMAGE), Resources("1", "1Gi"))
    return api.create_namespaced_pod(NAMESPACE, pod)


def document(api):
    data = api.read_namespaced_secret(SECRET, NAMESPACE).data
    return json.loads(base64.b64decode(data["credentials.json"]))


def test_the_pod_owns_the_secret_that_it_gets(api, cloud, handover):
    given = PodCredentials(handover, lambda: api)
    given.obtain()
    pod = made(api, cloud)
    note = given.give(pod, renewing=False)
    metadata = api.read_namespaced_secret(SECRET, NAMESPACE).metadata
    assert [owner.uid for owner in metadata.owner_references] == [pod.metadata.uid]
    assert metadata.labels[keys.RUN_LABEL] == pod.metadata.labels[keys.RUN_LABEL]
    expires = datetime.fromisoformat(document(api)["Expiration"])
    due = datetime.fromisoformat(note["credentials_due"])
    assert timedelta(minutes=19) < expires - due < timedelta(minutes=21)


def test_a_try_that_takes_the_pod_up_renews_what_an_earlier_one_gave(api, cloud, handover):
    pod = made(api, cloud)
    handover.give(api, pod, handover.obtain())
    first = document(api)
    handover.give(api, pod, handover.obtain())
    assert document(api)["SecretAccessKey"] != first["SecretAccessKey"]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("may not create secrets", CredentialsRefused),
        ("exceeded quota: team, requested: secrets=1", CredentialsUnavailable),
    ],
)
def test_a_pod_whose_secret_is_refused_is_deleted_and_nothing_of_it_is_told(
    api, cloud, handover, monkeypatch, said, kind
):
    def refuse(*_, **__):
        error = ApiException(status=403, reason="Forbidden")
        error.body = json.dumps({"message": said})
        raise error

    monkeypatch.setattr(api, "create_namespaced_secret", refuse)
    given = PodCredentials(handover, lambda: api)
    given.obtain()
    pod = made(api, cloud)
    with pytest.raises(kind, match=r"does not take their Secret: 403 Forbidden$"):
        given.give(pod, renewing=False)
    wait_until(lambda: not api.list_namespaced_pod(NAMESPACE).items)


def test_a_pod_that_was_taken_up_goes_on_where_it_can_have_no_new_credentials_now(api, cloud, handover, caplog):
    pod = made(api, cloud)
    cloud.enforce(False)
    setup = cloud.client("iam", aws_access_key_id="setup", aws_secret_access_key="setup")
    setup.delete_user_policy(UserName="airflow", PolicyName="assume")
    cloud.enforce(True)
    note = PodCredentials(handover, lambda: api).give_again(pod, renewing=False)
    assert datetime.fromisoformat(note["credentials_due"]) <= datetime.now(UTC)
    assert "not renewed, trying again: STS does not let Airflow be" in caplog.text
    assert api.read_namespaced_pod(pod.metadata.name, NAMESPACE).metadata.deletion_timestamp is None


def test_kinds_that_need_nothing_of_airflow_get_nothing(cloud):
    workspace = cloud.workspace("a", credentials={"kind": "none"})
    assert Handover.of(workspace, RUN_ID, 1, {}) is None
    given = PodCredentials()
    given.obtain()
    assert given.give(None, renewing=True) == given.give_again(None, renewing=True) == {}
    given.close()


def test_a_task_that_waits_itself_renews_until_it_is_done(api, cloud, handover, monkeypatch):
    monkeypatch.setattr("daybook.on_airflow.credentials.handover.RENEWED_AT", 0.9999)
    given = PodCredentials(handover, lambda: api)
    given.obtain()
    given.give(made(api, cloud), renewing=True)
    first = document(api)["SecretAccessKey"]
    wait_until(lambda: document(api)["SecretAccessKey"] != first)
    given.close()
    given.close()


class Hook:
    """The triggerer's way to Kubernetes."""

    def __init__(self, server: str) -> None:
        self._configuration = Configuration(host=server, api_key={"BearerToken": f"Bearer {TOKEN}"})

    @asynccontextmanager
    async def get_conn(self):
        async with ApiClient(self._configuration) as api:
            yield api


@pytest.fixture
def triggerer(cloud, tmp_path, monkeypatch) -> dict:
    """The environment that a triggerer has, and what the operator tells it."""
    workspace = json.loads(cloud.workspace("a").model_dump_json(exclude_defaults=True))
    (tmp_path / "workspaces.yaml").write_text(json.dumps({"workspaces": [workspace]}))
    monkeypatch.setenv("DAYBOOK_CATALOGUE", str(tmp_path))
    monkeypatch.setenv("DAYBOOK_WORKSPACES", str(tmp_path / "workspaces.yaml"))
    return {"workspace": "team-a", "run_id": RUN_ID, "attempt": 1}


@pytest.mark.anyio
async def test_the_triggerer_renews_what_is_due_once(pods, api, cloud, handover, triggerer):
    handover.give(api, made(api, cloud), handover.obtain())
    first = document(api)["SecretAccessKey"]
    later = Renewal({**triggerer, "credentials_due": (datetime.now(UTC) + timedelta(hours=1)).isoformat()})
    await later.look(Hook(pods.server))
    assert document(api)["SecretAccessKey"] == first
    # So it is for a triggerer that takes over long after the first renewal was due, too.
    now = Renewal({**triggerer, "credentials_due": (datetime.now(UTC) - timedelta(hours=5)).isoformat()})
    await now.look(Hook(pods.server))
    second = document(api)["SecretAccessKey"]
    assert second != first
    await now.look(Hook(pods.server))
    assert document(api)["SecretAccessKey"] == second


@pytest.mark.anyio
async def test_what_cannot_be_renewed_now_is_told_without_secrets_and_tried_again(pods, cloud, triggerer, caplog):
    due = Renewal({**triggerer, "credentials_due": datetime.now(UTC).isoformat()})
    with caplog.at_level(logging.WARNING):
        await due.look(Hook(pods.server))  # there is no such Secret
        await due.look(Hook(pods.server))
    told = [one.getMessage() for one in caplog.records if "are not renewed" in one.getMessage()]
    assert told == [f"The credentials of run {RUN_ID} are not renewed, trying again: 404 Not Found"]


def test_a_third_of_the_life_is_left_when_credentials_are_due():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    credentials = SessionCredentials("k", "s", "t", now + timedelta(seconds=900))
    assert due_at(credentials, now) == now + timedelta(seconds=600)
