"""Small parts: what a run is told of Spark's settings, what travels to the triggerer, who ends a run's own server."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException
from kubernetes.client import models as k8s
from kubernetes_asyncio.client.exceptions import ApiException

from builders import RUN_ID, a_workspace
from daybook.contract.errors import DaybookError
from daybook.contract.manifest import State
from daybook.on_airflow.patience import Connection
from daybook.on_airflow.reference import RunReference
from daybook.on_airflow.spark_servers.trigger import SparkTrigger
from daybook.on_airflow.spark_task import with_spark_settings
from daybook.on_airflow.trigger import NotebookTrigger, RoomTrigger

SERVER = {"name": "server", "namespace": "default", "uid": "uid", "start_seconds": 300}


def an_entry(**settings):
    return SimpleNamespace(run=SimpleNamespace(spark_settings=settings))


def told(workspace, entry):
    return json.loads(with_spark_settings(workspace, entry).environment.get("DAYBOOK_SPARK_SETTINGS", "null"))


def test_a_run_is_told_the_settings_of_workspace_and_notebook_apart():
    workspace = a_workspace(spark={"server": {"settings": {"spark.sql.x": 1}}})
    both = {"workspace": {"spark.sql.x": "1"}, "notebook": {"spark.sql.y": True}}
    assert told(workspace, an_entry(**{"spark.sql.y": True})) == both
    assert told(a_workspace(), an_entry(**{"spark.sql.y": True})) == {"notebook": {"spark.sql.y": True}}


def test_a_run_without_settings_is_told_nothing():
    workspace = a_workspace(spark={"server": {}})
    assert with_spark_settings(workspace, an_entry()) is workspace


def test_a_reference_travels_whole():
    reference = RunReference("local", RUN_ID, 2, own_spark=("server", "uid"), spark_credentials=("server", "secret"))
    assert RunReference.from_json(json.loads(json.dumps(reference.to_json()))) == reference


class Hook:
    """Gives a pod as a test has it; remembers what is deleted."""

    def __init__(self, refuses=None, **pod):
        self.pod, self.deleted, self.refuses = pod, [], refuses

    async def get_pod(self, name, namespace):
        if not self.pod:
            raise ApiException(status=404, reason="Not Found")
        metadata = SimpleNamespace(
            uid=self.pod.get("uid", "uid"), deletion_timestamp=None, creation_timestamp=None, name=name
        )
        ready = SimpleNamespace(type="Ready", status="True")
        status = SimpleNamespace(
            phase=self.pod.get("phase", "Running"), pod_ip="10.0.0.7", conditions=[ready], container_statuses=[]
        )
        return SimpleNamespace(metadata=metadata, status=status)

    async def delete_this_pod(self, name, namespace, uid):
        if self.refuses is not None:
            raise self.refuses
        self.deleted.append((name, namespace, uid))

    async def delete_pod(self, name, namespace, grace):
        self.pod = {}


async def event_of(monkeypatch, hook):
    monkeypatch.setattr(Connection, "hook", lambda _: hook)
    kind, arguments = SparkTrigger.of({"run_id": RUN_ID}, SERVER, Connection("k8s", config_dict={"a": 1})).serialize()
    assert kind.endswith("spark_servers.trigger.SparkTrigger")
    (event,) = [one async for one in SparkTrigger(**json.loads(json.dumps(arguments))).run()]
    return event.payload


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("pod", "why"),
    [
        ({"uid": "uid"}, None),
        ({"phase": "Succeeded"}, None),
        ({"uid": "another"}, None),
        ({}, "its pod is gone"),
    ],
)
async def test_the_triggerer_tells_how_a_server_came_out(monkeypatch, pod, why):
    event = await event_of(monkeypatch, Hook(**pod))
    assert event == {"daybook": {"run_id": RUN_ID}, "spark": {"uid": "uid", "why": why}}


@pytest.fixture
def record(record_in):
    return record_in(State.QUEUED)


@pytest.mark.anyio
async def test_the_record_says_what_a_run_waits_for_whenever_that_changes(monkeypatch, record):
    """Hours may be between, as where a node has to be added and then cannot pull the image."""
    said, waiting = [], [None, "ImagePullBackOff", "ImagePullBackOff", "gone"]

    async def get_pod(name, namespace):
        said.append(record.read().message)
        why = waiting.pop(0)
        if why == "gone":
            raise ApiException(status=404, reason="Not Found")
        state = k8s.V1ContainerState(waiting=why and k8s.V1ContainerStateWaiting(reason=why, message="it is busy"))
        status = k8s.V1ContainerStatus(name="spark", image="", image_id="", ready=False, restart_count=0, state=state)
        return k8s.V1Pod(
            metadata=k8s.V1ObjectMeta(name=name, uid="uid", creation_timestamp=datetime.now(UTC)),
            status=k8s.V1PodStatus(phase="Pending", container_statuses=[status]),
        )

    monkeypatch.setattr("daybook.on_airflow.spark_servers.trigger.LOOK_SECONDS", 0)
    monkeypatch.setattr(Connection, "hook", lambda _: SimpleNamespace(get_pod=get_pod))
    trigger = SparkTrigger(RunReference("local", RUN_ID, 1).to_json(), SERVER, {})
    assert len([one async for one in trigger.run()]) == 1
    starts, busy = (
        f"waits for Spark server server: {why}" for why in ("its pod starts", "ImagePullBackOff: it is busy")
    )
    assert said[1:] == [starts, busy, busy]


@pytest.mark.anyio
@pytest.mark.parametrize("last", ["gone", "stuck"])
async def test_a_server_that_ends_is_waited_for_until_another_can_have_its_name(monkeypatch, last):
    """In the triggerer: on a lost node that takes minutes."""
    now = datetime.now(UTC)
    looks = [now + timedelta(seconds=45)] * 3 + [None if last == "gone" else now - timedelta(seconds=61)]

    async def get_pod(name, namespace):
        deleted = looks.pop(0)
        if deleted is None:
            raise ApiException(status=404, reason="Not Found")
        metadata = k8s.V1ObjectMeta(name=name, uid="uid", creation_timestamp=now, deletion_timestamp=deleted)
        return k8s.V1Pod(metadata=metadata, status=k8s.V1PodStatus(phase="Running"))

    monkeypatch.setattr("daybook.on_airflow.spark_servers.trigger.LOOK_SECONDS", 0)
    monkeypatch.setattr(SparkTrigger, "_note", lambda *_: None)
    event = await event_of(monkeypatch, SimpleNamespace(get_pod=get_pod))
    assert (event["spark"], looks) == ({"uid": "uid", "why": None}, [])


def waiting_for_spark(run):
    return SparkTrigger(run, SERVER, {})


def waiting_for_room(run):
    return RoomTrigger(run=run, namespace="default", connection={}, moment=0.0)


def waiting_for_the_pod(run):
    return NotebookTrigger(
        run=run, pod_name="pod", pod_namespace="default", trigger_start_time=None, base_container_name="notebook"
    )


@pytest.fixture(params=[waiting_for_spark, waiting_for_room, waiting_for_the_pod])
def cancelled(request, monkeypatch, airflow_says):
    """Cancels a run while a triggerer waits for it, for whatever it waits; gives what was deleted besides its pod."""

    async def cancel(state="failed", own_spark=("server", "uid"), hook=None):
        hook = hook or Hook(uid="of the pod")
        monkeypatch.setattr(Connection, "hook", lambda _: hook)
        monkeypatch.setattr(NotebookTrigger, "hook", hook)
        trigger = request.param(RunReference("local", RUN_ID, 1, own_spark=own_spark).to_json())
        trigger.task_instance = airflow_says(state)
        await trigger.on_kill()
        return hook.deleted

    return cancel


@pytest.mark.anyio
async def test_a_cancelled_run_is_sealed_and_its_own_server_ended_by_its_uid(record, cancelled):
    assert await cancelled() == [("server", "default", "uid")]
    assert (record.read().reason, record.read().sealed) == ("cancelled", True)


@pytest.mark.anyio
async def test_one_that_shares_its_server_ends_none(record, cancelled):
    assert await cancelled(own_spark=None) == []
    assert record.read().sealed


@pytest.mark.anyio
async def test_a_run_that_another_triggerer_waits_for_keeps_its_server(record, cancelled):
    assert await cancelled(state="deferred") == []
    assert not record.read().sealed


@pytest.mark.anyio
async def test_a_server_is_ended_also_where_the_run_cannot_be_sealed(record, cancelled, monkeypatch):
    hook = Hook(uid="of the pod")
    monkeypatch.setenv("DAYBOOK_WORKSPACES", "/nowhere")
    with pytest.raises(DaybookError):
        await cancelled(hook=hook)
    assert hook.deleted == [("server", "default", "uid")]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "error",
    [ApiException(status=403, reason="Forbidden"), AirflowNotFoundException("The conn_id `k8s` isn't defined")],
    ids=["forbidden", "no connection"],
)
async def test_a_run_is_sealed_also_where_its_server_cannot_be_ended(record, cancelled, caplog, error):
    await cancelled(hook=Hook(uid="of the pod", refuses=error))
    assert record.read().sealed
    assert "server is not ended, and ends by itself" in caplog.text
