"""What the operator does about a run before its pod is made."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import models as k8s

from builders import a_notebook_json
from daybook.catalogue import Notebook
from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import Manifest, State
from daybook.on_airflow.operator import NotebookOperator
from daybook.pods import CONTAINER

CONTEXT = {
    "ti": SimpleNamespace(dag_id="nb", task_id="run", map_index=-1, try_number=1),
    "dag_run": SimpleNamespace(
        run_id="manual__1",
        run_type="manual",
        run_after=datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC),
        logical_date=None,
        data_interval_start=None,
        data_interval_end=None,
        triggering_user_name="ada",
    ),
}


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """Prepares a try of a task whose earlier pods are gone; gives its operator."""
    path = tmp_path / "nb.ipynb"
    path.write_text(a_notebook_json())
    workspaces = tmp_path / "workspaces.yaml"
    workspaces.write_text(f"workspaces:\n  - {{name: local, members: ['*'], bucket: {tmp_path / 'bucket'}}}\n")
    monkeypatch.setenv("DAYBOOK_CATALOGUE", str(tmp_path))
    monkeypatch.setenv("DAYBOOK_WORKSPACES", str(workspaces))
    monkeypatch.setattr(NotebookOperator, "_pods", SimpleNamespace(read=lambda *_: None))

    def run():
        operator = NotebookOperator(task_id="run", notebook=Notebook(id="nb", source=str(path)))
        operator._prepare(CONTEXT)
        return operator

    return run


def record_of(operator):
    return operator._record


def test_a_run_is_queued_before_its_pod_is_made(prepare):
    queued = record_of(prepare()).read()
    assert (queued.attempt, queued.state, queued.sealed, queued.user) == (1, State.QUEUED, False, "ada")


def test_an_attempt_that_never_had_a_pod_is_sealed_before_the_next_one_is_queued(prepare):
    prepare()
    record = record_of(prepare())
    assert (record.read().attempt, record.read().state) == (2, State.QUEUED)
    first = Manifest.from_json(record.store.read(AttemptKeys(1).manifest))
    assert (first.state, first.reason, first.sealed_by) == ("interrupted", "terminated", "operator")
    assert (first.sealed, first.message) == (True, "Airflow gave the run up before it had a pod")


def test_waiting_here_for_the_pod_notes_which_image_it_runs(prepare, monkeypatch):
    digest = "sha256:" + "a" * 64
    status = k8s.V1ContainerStatus(name=CONTAINER, image="i", image_id=digest, ready=True, restart_count=0)
    metadata = k8s.V1ObjectMeta(name="p", uid="u")
    pod = k8s.V1Pod(metadata=metadata, status=k8s.V1PodStatus(phase="Running", container_statuses=[status]))
    monkeypatch.setattr(KubernetesPodOperator, "await_pod_start", lambda *_, **__: None)
    operator = prepare()
    monkeypatch.setattr(NotebookOperator, "_pods", SimpleNamespace(read=lambda *_: pod))
    operator._refer(pod_uid="u")
    operator.await_pod_start(pod)
    assert record_of(operator).read().image_digest == digest
