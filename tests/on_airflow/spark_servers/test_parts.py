"""Small parts: what a run is told of Spark's settings, what travels to the triggerer, who ends a run's own server."""

import json
from types import SimpleNamespace

import pytest
from kubernetes_asyncio.client.exceptions import ApiException

from builders import RUN_ID, a_workspace
from daybook.on_airflow.reference import RunReference
from daybook.on_airflow.spark_servers.trigger import Connection, SparkTrigger
from daybook.on_airflow.spark_task import with_spark_settings
from daybook.on_airflow.trigger import NotebookTrigger

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

    def __init__(self, **pod):
        self.pod, self.deleted = pod, []

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

    async def delete_pod(self, name, namespace, grace):
        self.deleted.append(name)


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


@pytest.mark.anyio
@pytest.mark.parametrize(("pod", "deleted"), [({"uid": "uid"}, ["server"]), ({"uid": "another"}, []), ({}, [])])
async def test_a_cancelled_runs_own_server_is_ended_and_no_other(monkeypatch, pod, deleted):
    hook = Hook(**pod)
    monkeypatch.setattr(NotebookTrigger, "hook", hook)
    run = RunReference("local", RUN_ID, 1, own_spark=("server", "uid")).to_json()
    trigger = NotebookTrigger(
        run=run, pod_name="pod", pod_namespace="default", trigger_start_time=None, base_container_name="notebook"
    )
    await trigger._end_own_spark()
    assert hook.deleted == deleted
