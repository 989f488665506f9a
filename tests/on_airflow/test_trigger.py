"""What the triggerer notes while it waits for a run's pod."""

import logging
from datetime import UTC, datetime

import pytest
from kubernetes_asyncio.client import models as k8s

from builders import RUN_ID, a_manifest
from daybook.contract.manifest import State
from daybook.on_airflow.trigger import NotebookTrigger
from daybook.pods import CONTAINER
from daybook.storage import open_store, record_of

DIGEST = "sha256:" + "a" * 64


class Hook:
    """A node that tells more at each look."""

    def __init__(self, *image_ids):
        self._image_ids = list(image_ids)

    async def get_pod(self, **_):
        status = k8s.V1ContainerStatus(
            name=CONTAINER, image="i", image_id=self._image_ids.pop(0), ready=True, restart_count=0
        )
        metadata = k8s.V1ObjectMeta(name="p", uid="u")
        return k8s.V1Pod(metadata=metadata, status=k8s.V1PodStatus(phase="Running", container_statuses=[status]))


@pytest.fixture
def record(tmp_path, monkeypatch):
    """The record of a run that goes on, in the workspace that the triggerer's environment leads to."""
    workspaces = tmp_path / "workspaces.yaml"
    workspaces.write_text(f"workspaces:\n  - {{name: local, members: ['*'], bucket: {tmp_path / 'bucket'}}}\n")
    monkeypatch.setenv("DAYBOOK_CATALOGUE", str(tmp_path))
    monkeypatch.setenv("DAYBOOK_WORKSPACES", str(workspaces))
    record = record_of(open_store(str(tmp_path / "bucket")), RUN_ID)
    record.write(a_manifest(state=State.RUNNING, sealed=False, sealed_by=None))
    return record


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
