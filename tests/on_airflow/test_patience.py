"""A Kubernetes API that is away for a while ends no run."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from airflow.providers.cncf.kubernetes.hooks.kubernetes import AsyncKubernetesHook
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from kubernetes_asyncio.client.exceptions import ApiException as AsyncApiException

from daybook.on_airflow import patience
from daybook.on_airflow.patience import Connection, PatientHook, PatientPodManager
from daybook.pods import CONTAINER


@pytest.fixture
def answers(monkeypatch):
    """What the API answers, one at a time."""
    waiting = []

    async def get_pod(self, name, namespace):
        answer = waiting.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(AsyncKubernetesHook, "get_pod", get_pod)
    monkeypatch.setattr(patience, "_PAUSE_SECONDS", 0)
    return waiting


@pytest.mark.anyio
@pytest.mark.parametrize("error", [ConnectionRefusedError(), AsyncApiException(status=503), AsyncApiException(429)])
async def test_the_triggerer_waits_for_an_api_that_is_away(answers, error):
    answers += [error, error, "the pod"]
    assert await PatientHook(conn_id=None).get_pod("p", "n") == "the pod"


@pytest.mark.anyio
@pytest.mark.parametrize("status", [403, 404])
async def test_an_answer_is_an_answer(answers, status):
    answers += [AsyncApiException(status=status), "never asked"]
    with pytest.raises(AsyncApiException):
        await PatientHook(conn_id=None).get_pod("p", "n")


@pytest.fixture
def deletions(monkeypatch):
    """What is asked to be deleted, and what the API answers, one at a time; then it heeds."""
    asked, waiting = [], []

    async def delete(self, name, namespace, body):
        asked.append((name, namespace, body.preconditions.uid))
        if waiting:
            raise waiting.pop(0)

    @asynccontextmanager
    async def get_conn(self):
        yield object()

    monkeypatch.setattr(AsyncKubernetesHook, "get_conn", get_conn)
    monkeypatch.setattr("daybook.on_airflow.patience.CoreV1Api.delete_namespaced_pod", delete)
    monkeypatch.setattr(patience, "_PAUSE_SECONDS", 0)
    return asked, waiting


@pytest.mark.anyio
@pytest.mark.parametrize("error", [ConnectionRefusedError(), AsyncApiException(status=503), AsyncApiException(429)])
async def test_the_triggerer_deletes_one_pod_alone_and_asks_until_it_is_heeded(deletions, error):
    asked, waiting = deletions
    waiting += [error, error]
    await PatientHook(conn_id=None).delete_this_pod("p", "n", "u")
    assert asked == [("p", "n", "u")] * 3


@pytest.mark.anyio
@pytest.mark.parametrize("status", [404, 409])
async def test_a_pod_that_is_gone_or_replaced_is_fine(deletions, status):
    asked, waiting = deletions
    waiting.append(AsyncApiException(status=status))
    await PatientHook(conn_id=None).delete_this_pod("p", "n", "u")
    assert len(asked) == 1


@pytest.mark.anyio
async def test_a_deletion_that_is_refused_is_told(deletions):
    deletions[1].append(AsyncApiException(status=403))
    with pytest.raises(AsyncApiException):
        await PatientHook(conn_id=None).delete_this_pod("p", "n", "u")


class Pods:
    def __init__(self, *found):
        self.found = list(found)

    def read(self, name, namespace):
        return self.found.pop(0)


def a_pod(phase="Running", terminated=False, **metadata):
    ended = k8s.V1ContainerStateTerminated(exit_code=0) if terminated else None
    state = k8s.V1ContainerState(terminated=ended)
    container = k8s.V1ContainerStatus(name=CONTAINER, image="i", image_id="", ready=False, restart_count=0, state=state)
    status = k8s.V1PodStatus(phase=phase, container_statuses=[container])
    return k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="p", namespace="n", **metadata), status=status)


@pytest.mark.parametrize(
    "last",
    [
        a_pod("Succeeded"),
        a_pod("Running", terminated=True),
        a_pod(deletion_timestamp=datetime.now(UTC) - timedelta(hours=1)),
    ],
    ids=["ended", "a sidecar goes on", "its node is gone"],
)
def test_a_worker_waits_until_there_is_nothing_to_wait_for(monkeypatch, last):
    monkeypatch.setattr(patience, "_LOOK_SECONDS", 0)
    manager = PatientPodManager(Pods(a_pod(), a_pod(), last), kube_client=None)
    assert manager.await_pod_completion(a_pod()) is last


def test_a_worker_that_waits_for_a_pod_that_is_gone_is_told():
    with pytest.raises(ApiException, match="404"):
        PatientPodManager(Pods(None), kube_client=None).await_pod_completion(a_pod())


@pytest.mark.anyio
async def test_the_triggerer_needs_no_connection_that_the_worker_alone_has():
    extras = {"namespace": "research"}
    hook = Connection("of the worker", connection_extras=extras).hook()
    assert await hook.get_conn_extras() == extras
