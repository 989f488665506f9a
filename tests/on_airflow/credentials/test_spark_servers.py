"""A Spark server's short-lived credentials: there before it starts, renewed with those of the runs that use it."""

import base64
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from kubernetes_asyncio.client import ApiClient, Configuration

from builders import RUN_ID, a_request
from daybook.on_airflow.credentials.connections import aws_hook
from daybook.on_airflow.credentials.handover import Handover
from daybook.on_airflow.credentials.in_triggerer import Renewal
from daybook.on_airflow.credentials.of_pod import PodCredentials
from daybook.on_airflow.credentials.roles import Role
from daybook.on_airflow.spark_servers.servers import SparkServers
from daybook.pods import Resources, build_pod
from daybook.pods.spark import Answers, WantedServer
from daybook.storage.credentials import CredentialsRefused
from localpods.really_started import IMAGE, TOKEN, Localpods, wait_until

NAMESPACE = "default"
SERVER = {"server": {"idle_minutes": 10, "image": IMAGE}}


@pytest.fixture
def pods(tmp_path):
    running = Localpods(tmp_path)
    running.images.write_text(json.dumps({"daybook/test": {"prefix": "/usr", "entrypoint": ["/usr/bin/env"]}}))
    running.start()
    yield running
    running.close()


@pytest.fixture
def api(pods):
    made = pods.api()
    yield made
    made.api_client.rest_client.pool_manager.clear()


@pytest.fixture
def role(cloud):
    workspace = cloud.workspace("a", spark=SERVER)
    return Role.of(workspace, aws_hook(workspace), {})


@pytest.fixture
def found(api, role):
    """A server that was made; its stand-in does nothing and ends."""
    return SparkServers(lambda: api, role.assume).ensure(WantedServer.of(role.workspace))


def key_of(api, secret):
    document = json.loads(base64.b64decode(api.read_namespaced_secret(secret, NAMESPACE).data["credentials.json"]))
    return document["SecretAccessKey"]


def test_a_server_has_credentials_of_its_own_and_what_leads_workers_to_them(api, found):
    data = api.read_namespaced_secret(found.credentials, NAMESPACE).data
    config = base64.b64decode(data["config"]).decode()
    assert config.splitlines()[1].endswith('cat "/var/run/secrets/daybook.dev/credentials/credentials.json"')
    assert key_of(api, found.credentials)


def test_where_the_role_is_refused_nothing_is_made(api, role):
    def refuse(_):
        raise CredentialsRefused("no")

    with pytest.raises(CredentialsRefused):
        SparkServers(lambda: api, refuse).ensure(WantedServer.of(role.workspace))
    assert api.list_namespaced_pod(NAMESPACE).items == []


def test_each_run_that_finds_a_server_renews_its_credentials(api, role, found, monkeypatch):
    first = key_of(api, found.credentials)
    monkeypatch.setattr("daybook.on_airflow.spark_servers.servers.look_at", lambda *_: Answers("sc://x:1", "http://x"))
    again = SparkServers(lambda: api, role.assume).ensure(WantedServer.of(role.workspace))
    assert again.credentials == found.credentials
    assert key_of(api, found.credentials) != first


@pytest.fixture
def handover(api, role, found):
    made = Handover(role, RUN_ID, 1, NAMESPACE)
    pod = build_pod(a_request(), role.workspace.model_copy(update={"image": IMAGE}), Resources("1", "1Gi"))
    made.give(api, api.create_namespaced_pod(NAMESPACE, pod), made.obtain())
    return made


def test_a_task_that_waits_itself_renews_them_with_its_pods(api, found, handover):
    given = PodCredentials(handover, lambda: api)
    given.serve(found.name, found.credentials)
    first = key_of(api, found.credentials), key_of(api, handover.secret)
    given._renew()
    assert key_of(api, found.credentials) != first[0]
    assert key_of(api, handover.secret) != first[1]


def test_a_server_that_is_gone_holds_up_no_renewal(api, found, handover):
    given = PodCredentials(handover, lambda: api)
    given.serve(found.name, "gone")
    first = key_of(api, handover.secret)
    given._renew()
    assert key_of(api, handover.secret) != first


@pytest.mark.anyio
@pytest.mark.parametrize("gone", [False, True])
async def test_so_does_the_triggerer(pods, api, cloud, found, handover, monkeypatch, gone):
    class Hook:
        @asynccontextmanager
        async def get_conn(self):
            given = Configuration(host=pods.server, api_key={"BearerToken": f"Bearer {TOKEN}"})
            async with ApiClient(given) as connection:
                yield connection

    server = (found.name, "gone" if gone else found.credentials)
    first = key_of(api, found.credentials), key_of(api, handover.secret)
    due = {"run_id": RUN_ID, "credentials_due": datetime.now(UTC).isoformat(), "spark_credentials": list(server)}
    renewal = Renewal(due)
    obtained = replace(handover, server=server)
    monkeypatch.setattr(renewal, "_obtain", lambda: (obtained, obtained.obtain_all()))
    await renewal.look(Hook())
    assert (key_of(api, found.credentials) != first[0]) is not gone
    assert wait_until(lambda: key_of(api, handover.secret) != first[1])
