"""Sealing what a pod could not seal itself, and noting of it what only Kubernetes tells."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from kubernetes.client import models as k8s

from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import Files, Manifest, State, Timings
from daybook.contract.request import RunRequest
from daybook.pods import CONTAINER, Ending, image_digest_of
from daybook.storage import RunRecord, Verdict

log = logging.getLogger(__name__)


def queued(request: RunRequest, source_key: str | None) -> Manifest:
    """The manifest of an attempt whose pod is about to be made."""
    return Manifest.of(request, State.QUEUED, Timings(queued_at=_now()), Files(source=source_key))


def settle(record: RunRecord, attempt: int, ending: Ending, pod: k8s.V1Pod | None = None) -> Manifest:
    """The sealed manifest of an attempt: the runner's own, or one sealed here with what Kubernetes says.

    Args:
        record: the run's.
        attempt: whose pod has ended.
        ending: why, to seal with where the runner did not.
        pod: as last seen; tells which image ran.

    Raises:
        StaleAttempt: a newer attempt has taken the run over.
        StoreFailed: the bucket does not answer, or holds no manifest of the attempt at all.
    """
    digest = image_digest_of(pod, CONTAINER)
    return record.seal(attempt, Verdict(ending.state, ending.reason, ending.message, "operator", digest))


def note_image(record: RunRecord, attempt: int, digest: str) -> None:
    """Notes in the manifest of an attempt on its way which image its pod runs; the runner cannot ask for it.

    Where the bucket does not take the note the record lacks it, and the run goes on.
    """
    try:
        record.note_image(attempt, digest)
    except StoreFailed as error:
        log.warning("The image's digest %s is not in the record: %s", digest, error)


def note_message(record: RunRecord, attempt: int, message: str) -> None:
    """Says in the manifest of a queued attempt what it waits for.

    Raises:
        StaleAttempt: a newer attempt has taken the run over.
        StoreFailed: the bucket does not answer.
    """
    current = record.read()
    if current is None or current.message == message:
        return
    if current.attempt == attempt and current.state is State.QUEUED:
        record.write(current.model_copy(update={"message": message}))


def _now() -> str:
    return datetime.now(UTC).isoformat()
