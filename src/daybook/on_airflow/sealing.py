"""Sealing what a pod could not seal itself."""

from __future__ import annotations

from datetime import UTC, datetime

from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import CellCounts, Files, Manifest, State, Timings, exit_code_for
from daybook.contract.request import RunRequest
from daybook.pods import Ending
from daybook.storage import RunRecord, StaleAttempt


def queued(request: RunRequest, source_key: str | None) -> Manifest:
    """The manifest of an attempt whose pod is about to be made."""
    return Manifest.of(request, State.QUEUED, Timings(queued_at=_now()), Files(source=source_key))


def settle(record: RunRecord, attempt: int, ending: Ending) -> Manifest:
    """The sealed manifest of an attempt: the runner's own, or one sealed here with what Kubernetes says.

    Args:
        record: the run's.
        attempt: whose pod has ended.
        ending: why, to seal with where the runner did not.

    Raises:
        StaleAttempt: a newer attempt has taken the run over.
        StoreFailed: the bucket does not answer, or holds no manifest of the run at all.
    """
    manifest = record.read()
    if manifest is None:
        raise StoreFailed(f"{record.store.url} holds no manifest although one was written when the run was queued")
    if manifest.attempt > attempt:
        raise StaleAttempt(f"run {manifest.run_id}: attempt {manifest.attempt} has taken over from attempt {attempt}")
    if manifest.sealed:
        return manifest
    sealed = manifest.model_copy(
        update={
            "attempt": attempt,
            "state": ending.state,
            "reason": ending.reason,
            "message": ending.message,
            "sealed": True,
            "sealed_by": "operator",
            "exit_code": exit_code_for(ending.state, ending.reason),
            "cells": _stopped(manifest.cells),
            "timings": _ended(manifest.timings),
        }
    )
    record.write(sealed)
    return sealed


def _ended(timings: Timings) -> Timings:
    now = datetime.now(UTC)
    began = datetime.fromisoformat(timings.started_at) if timings.started_at else None
    duration = (now - began).total_seconds() if began else None
    moment = now.isoformat()
    return timings.model_copy(update={"finished_at": moment, "updated_at": moment, "duration_seconds": duration})


def _stopped(cells: CellCounts) -> CellCounts:
    """No cell runs any more; the one that did was interrupted."""
    if cells.current is None:
        return cells
    return cells.model_copy(update={"current": None, "interrupted": cells.interrupted + 1})


def _now() -> str:
    return datetime.now(UTC).isoformat()
