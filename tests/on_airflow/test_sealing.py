"""What the operator seals when the runner could not."""

import logging

import pytest
from airflow.sdk.exceptions import AirflowFailException
from kubernetes.client import models as k8s

from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import CellCounts, Manifest, NotebookRecord, Reason, State
from daybook.on_airflow.errors import describe, failure_of
from daybook.on_airflow.sealing import note_image, settle
from daybook.pods import CONTAINER, GONE
from daybook.storage import RunRecord, StaleAttempt, open_store

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def record():
    return RunRecord(open_store("memory:///"))


def manifest(**changes):
    fields = {
        "run_id": "20261123T010203Z-nb-0123456789",
        "state": State.RUNNING,
        "notebook": NotebookRecord(id="nb", source="x"),
        "workspace": "local",
    }
    return Manifest(**{**fields, **changes})


def test_unsealed_manifest_is_sealed_with_the_pods_ending(record):
    record.write(manifest(cells=CellCounts(total=3, succeeded=1, not_run=1, current=1)))
    sealed = settle(record, 1, GONE)
    assert (sealed.state, sealed.reason, sealed.sealed_by, sealed.exit_code) == ("lost", "pod_gone", "operator", 3)
    assert (sealed.cells.current, sealed.cells.interrupted) == (None, 1)
    assert record.read() == sealed


def test_sealed_manifest_is_believed_whatever_the_pod_says(record):
    record.write(manifest(state=State.SUCCEEDED, sealed=True, sealed_by="runner"))
    assert settle(record, 1, GONE).succeeded


def test_newer_attempt_is_not_touched(record):
    record.write(manifest(attempt=2))
    with pytest.raises(StaleAttempt):
        settle(record, 1, GONE)
    assert not record.read().sealed


def test_missing_manifest_is_an_error_not_a_success(record):
    with pytest.raises(StoreFailed, match="no manifest"):
        settle(record, 1, GONE)


def pod(image_id):
    statuses = [
        k8s.V1ContainerStatus(name=name, image="i", image_id=found, ready=True, restart_count=0)
        for name, found in (("sidecar", "repo@sha256:" + "b" * 64), (CONTAINER, image_id))
    ]
    return k8s.V1Pod(status=k8s.V1PodStatus(phase="Running", container_statuses=statuses))


def test_what_is_sealed_here_names_the_image_that_the_pod_ran(record):
    record.write(manifest())
    assert settle(record, 1, GONE, pod(f"repo@{DIGEST}")).image_digest == DIGEST


def test_a_note_that_the_bucket_does_not_take_harms_no_run(tmp_path, caplog):
    record = RunRecord(open_store(str(tmp_path)))
    (tmp_path / "manifest.json").mkdir()
    with caplog.at_level(logging.WARNING):
        note_image(record, 1, DIGEST)
    assert DIGEST in caplog.text


@pytest.mark.parametrize(
    ("state", "reason", "retried"),
    [
        (State.FAILED, Reason.CELL_ERROR, False),
        (State.FAILED, Reason.INVALID_REQUEST, False),
        (State.FAILED, Reason.RUN_TIMEOUT, False),
        (State.FAILED, Reason.OUT_OF_MEMORY, False),
        (State.INTERRUPTED, Reason.CANCELLED, False),
        (State.FAILED, Reason.STORE_FAILED, True),
        (State.FAILED, Reason.IMAGE_UNAVAILABLE, True),
        (State.LOST, Reason.POD_GONE, True),
        (State.LOST, None, True),
    ],
)
def test_only_what_a_retry_can_help_is_retried(state, reason, retried):
    error = failure_of(manifest(state=state, reason=reason, sealed=True))
    assert isinstance(error, AirflowFailException) != retried
    assert (error.reason, error.manifest.state) == (reason, state)


def test_failure_says_state_reason_and_message():
    text = describe(manifest(state=State.FAILED, reason=Reason.CELL_ERROR, message="cell 3 raised ValueError: no"))
    assert text == "run 20261123T010203Z-nb-0123456789 failed (cell_error): cell 3 raised ValueError: no"
