"""What the triggerer notes while it waits for a run's pod."""

import asyncio
import logging
from datetime import UTC, datetime

import pytest
from kubernetes_asyncio.client import models as k8s
from kubernetes_asyncio.client.exceptions import ApiException

from builders import RUN_ID
from daybook.contract.manifest import State
from daybook.on_airflow.reference import RunReference
from daybook.on_airflow.trigger import NotebookTrigger, PodReplaced, RoomTrigger
from daybook.pods import CONTAINER

DIGEST = "sha256:" + "a" * 64


class Hook:
    """A node that tells more at each look."""

    def __init__(self, *image_ids):
        self._image_ids = list(image_ids)

    async def get_pod(self, *_, **__):
        status = k8s.V1ContainerStatus(
            name=CONTAINER, image="i", image_id=self._image_ids.pop(0), ready=True, restart_count=0
        )
        metadata = k8s.V1ObjectMeta(name="p", uid="u")
        return k8s.V1Pod(metadata=metadata, status=k8s.V1PodStatus(phase="Running", container_statuses=[status]))


@pytest.fixture
def record(record_in):
    return record_in(State.RUNNING)


@pytest.fixture
def trigger():
    return NotebookTrigger(
        run={"workspace": "local", "run_id": RUN_ID, "attempt": 1},
        pod_name="p",
        pod_namespace="default",
        base_container_name=CONTAINER,
        trigger_start_time=datetime.now(UTC),
    )


async def look(trigger, *image_ids):
    trigger.hook = Hook(*image_ids)
    for _ in image_ids:
        await trigger._get_pod()


@pytest.mark.anyio
async def test_the_image_that_runs_is_noted_once_its_node_tells(record, trigger):
    await look(trigger, "", "daybook/notebook")
    assert record.read().image_digest is None
    await look(trigger, f"daybook/notebook@{DIGEST}")
    assert record.read().image_digest == DIGEST


@pytest.mark.anyio
async def test_waiting_goes_on_where_it_cannot_be_noted_and_that_is_told_once(record, trigger, monkeypatch, caplog):
    monkeypatch.setenv("DAYBOOK_WORKSPACES", "/nowhere")
    with caplog.at_level(logging.WARNING):
        await look(trigger, DIGEST, DIGEST)
    assert caplog.text.count(DIGEST) == 1
    assert record.read().image_digest is None


async def killed(trigger, hook):
    trigger.hook = hook
    await trigger.on_kill()


class Deleting:
    """A pod that goes when it is deleted; the first tries may fail."""

    def __init__(self, uid="u", failures=0):
        self.pod = k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="p", uid=uid), status=k8s.V1PodStatus(phase="Running"))
        self.failures = failures
        self.deleted = 0

    async def get_pod(self, *_, **__):
        if self.pod is None:
            raise ApiException(status=404)
        return self.pod

    async def delete_pod(self, *_):
        if self.failures:
            self.failures -= 1
            raise ApiException(status=503)
        self.deleted += 1
        self.pod = None


@pytest.mark.anyio
@pytest.mark.parametrize("failures", [0, 2])
async def test_a_cancelled_run_is_sealed_and_its_pod_deleted_also_when_that_fails_at_first(
    record, trigger, airflow_says, failures
):
    trigger.task_instance = airflow_says("failed")
    hook = Deleting(failures=failures)
    await killed(trigger, hook)
    sealed = record.read()
    assert (sealed.state, sealed.reason, sealed.sealed, hook.deleted) == ("interrupted", "cancelled", True, 1)


@pytest.mark.anyio
async def test_cancelling_deletes_no_pod_that_is_not_the_runs_own(record, trigger, airflow_says):
    trigger.task_instance = airflow_says("failed")
    trigger.run_reference["pod_uid"] = "ours"
    hook = Deleting(uid="another's")
    await killed(trigger, hook)
    assert (hook.deleted, record.read().reason) == (0, "cancelled")


@pytest.mark.anyio
async def test_a_pod_of_the_same_name_is_not_watched(trigger):
    trigger.run_reference["pod_uid"] = "ours"
    trigger.hook = Deleting(uid="another's")
    with pytest.raises(PodReplaced):
        await trigger._get_pod()


@pytest.mark.anyio
async def test_while_it_starts_a_pod_is_looked_at_in_the_same_way(trigger, monkeypatch):
    """So credentials are renewed then too: to find a node and pull an image may take longer than they are good for."""
    looks = []

    async def look(hook):
        looks.append(hook)

    monkeypatch.setattr(trigger._renewal, "look", look)
    trigger.hook = Hook("")
    await trigger.pod_manager.await_pod_start(k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="p")))
    assert looks == [trigger.hook]


@pytest.mark.anyio
async def test_why_kubernetes_takes_a_pod_away_goes_with_the_event(trigger):
    trigger.hook = Deleting()
    condition = k8s.V1PodCondition(type="DisruptionTarget", status="True", reason="DeletionByPodGC")
    trigger.hook.pod.status.conditions = [condition]
    await trigger._get_pod()
    ending = RunReference.from_json(trigger.trigger_kwargs["daybook"]).ending_when_gone
    assert ending.reason == "node_lost"


def a_room_trigger():
    run = {"workspace": "local", "run_id": RUN_ID, "attempt": 1}
    return RoomTrigger(run=run, namespace="default", connection={}, moment=0.0)


@pytest.mark.anyio
async def test_a_run_that_waits_for_room_can_be_cancelled(record, airflow_says):
    trigger = a_room_trigger()
    trigger.task_instance = airflow_says("failed")
    assert [event.payload["daybook"]["attempt"] async for event in trigger.run()] == [1]
    await trigger.on_kill()
    assert record.read().reason == "cancelled"


@pytest.mark.anyio
async def test_a_run_that_waits_since_before_an_upgrade_can_be_cancelled_too(record, airflow_says):
    """Airflow's database has the arguments that an earlier version gave."""
    trigger = RoomTrigger(run={"workspace": "local", "run_id": RUN_ID, "attempt": 1}, moment=0.0)
    trigger.task_instance = airflow_says("failed")
    await trigger.on_kill()
    assert record.read().reason == "cancelled"


@pytest.mark.anyio
async def test_a_run_that_nobody_is_known_to_have_cancelled_is_terminated(record, trigger, airflow_says):
    trigger.task_instance = airflow_says("up_for_retry")
    hook = Deleting()
    await killed(trigger, hook)
    assert (record.read().reason, hook.deleted) == ("terminated", 1)


@pytest.mark.anyio
async def test_a_pod_that_another_triggerer_watches_now_is_left_alone(record, trigger, airflow_says):
    """Airflow calls `on_kill` in a triggerer, too, that comes back after it was thought dead."""
    trigger.task_instance = airflow_says("deferred")
    hook = Deleting()
    await killed(trigger, hook)
    assert (hook.deleted, record.read().sealed) == (0, False)


@pytest.mark.anyio
async def test_a_run_that_another_triggerer_has_wait_for_room_is_left_alone(record, airflow_says):
    trigger = a_room_trigger()
    trigger.task_instance = airflow_says("deferred")
    await trigger.on_kill()
    assert not record.read().sealed


@pytest.mark.anyio
async def test_a_run_is_ended_although_the_triggerer_cancels_its_trigger_again_meanwhile(record, trigger, airflow_says):
    """Airflow 3.3 does at each of its rounds, and the end of a run may take longer than one."""
    trigger.task_instance = airflow_says("failed")
    asked, answers = asyncio.Event(), asyncio.Event()

    class Slow(Deleting):
        async def get_pod(self, *_, **__):
            asked.set()
            await answers.wait()
            return await super().get_pod()

    trigger.hook = Slow()
    ending = asyncio.ensure_future(asyncio.wait_for(trigger.on_kill(), 30))
    await asked.wait()
    while not ending.done():
        ending.cancel("__airflow_user_action__")
        await asyncio.sleep(0)
    answers.set()
    while not record.read().sealed:
        await asyncio.sleep(0.01)
    assert (record.read().reason, trigger.hook.deleted) == ("cancelled", 1)
