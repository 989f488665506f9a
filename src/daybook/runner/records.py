"""The manifest of an attempt, from its start to its seal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import (
    CellCounts,
    Files,
    KernelRecord,
    Manifest,
    Output,
    State,
    Timings,
)
from daybook.contract.request import RunRequest
from daybook.runner.ending import Ending
from daybook.runner.kernels import KernelSpec
from daybook.runner.outputs import OutputFile
from daybook.runner.redaction import Redactor


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def moment(when: datetime) -> str:
    """A time as records write it: ISO 8601, UTC, to the millisecond."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds")


def begun(request: RunRequest, started: datetime) -> Manifest:
    """The manifest of an attempt that has started and knows nothing but its request."""
    timings = Timings(queued_at=request.asked_at, started_at=moment(started), updated_at=moment(started))
    return Manifest.of(request, State.RUNNING, timings)


def carried(manifest: Manifest, before: Manifest | None, notebook_key: str | None) -> Manifest:
    """The manifest with what only the bucket knows, so that it holds whoever seals it.

    Args:
        manifest: as the attempt has it.
        before: what lay in its place when the attempt began: of the same attempt, the operator's `queued` one, which
            says when the run was queued and where the notebook as given was staged.
        notebook_key: of the copy of the notebook on the way, once the bucket has it.
    """
    found: dict[str, Any] = {}
    files = {"notebook": notebook_key} if notebook_key is not None else {}
    if before is not None and (before.run_id, before.attempt) == (manifest.run_id, manifest.attempt):
        if before.files.source is not None:
            files["source"] = before.files.source
        if before.timings.queued_at is not None:
            found["timings"] = manifest.timings.model_copy(update={"queued_at": before.timings.queued_at})
    if files:
        found["files"] = manifest.files.model_copy(update=files)
    return manifest.model_copy(update=found)


def progressed(manifest: Manifest, cells: CellCounts) -> Manifest:
    """The manifest of a run that goes on, with what has become of its cells by now."""
    timings = manifest.timings.model_copy(update={"updated_at": moment(now())})
    return manifest.model_copy(update={"cells": cells, "timings": timings})


def sealed(manifest: Manifest, ending: Ending, started: datetime, **found: Any) -> Manifest:
    """The final manifest: how the run ended, and what came out of it."""
    finished = now()
    timings = manifest.timings.model_copy(
        update={
            "updated_at": moment(finished),
            "finished_at": moment(finished),
            "duration_seconds": round((finished - started).total_seconds(), 3),
        }
    )
    changes = {
        "state": ending.state,
        "reason": ending.reason,
        "message": ending.message,
        "error": ending.error,
        "exit_code": int(ending.exit_code),
        "sealed": True,
        "sealed_by": "runner",
        "timings": timings,
    }
    return manifest.model_copy(update={**found, **changes})


def without_secrets(manifest: Manifest, redactor: Redactor) -> Manifest:
    """The manifest with what was free text in it redacted: what a notebook said, recorded or was given."""
    if not redactor:
        return manifest
    found: dict[str, Any] = {
        name: redactor.json(getattr(manifest, name)) for name in ("message", "parameters", "results")
    }
    for name in ("error", "notebook", "spark", "databricks"):
        part = getattr(manifest, name)
        if part is not None:
            found[name] = type(part).model_validate(redactor.json(part.model_dump()))
    return manifest.model_copy(update=found)


def outputs_of(files: Iterable[OutputFile], keys: AttemptKeys, digests: Mapping[str, str]) -> tuple[Output, ...]:
    """Output files as the manifest lists them; the digests, of previews too, are by key."""
    return tuple(
        Output(
            path=each.path,
            key=keys.output(each.path),
            size=each.size,
            sha256=digests[keys.output(each.path)],
            media_type=each.media_type,
            preview=keys.preview(each.path) if keys.preview(each.path) in digests else None,
        )
        for each in files
        if keys.output(each.path) in digests
    )


def files_of(keys: AttemptKeys, *, notebook: bool, html: bool, source: str | None) -> Files:
    """The attempt's own files as the manifest names them."""
    return Files(
        notebook=keys.notebook if notebook else None,
        html=keys.html if html else None,
        log=keys.log,
        source=source,
    )


def kernel_of(spec: KernelSpec, notebook: Any) -> KernelRecord:
    """The kernel that executed a notebook, with what it said of itself."""
    info = notebook.metadata.get("language_info") or {} if notebook is not None else {}
    version = info.get("version")
    return KernelRecord(
        name=spec.name, language=spec.language or info.get("name"), language_version=str(version) if version else None
    )


def packages_of(spec: KernelSpec) -> dict[str, str]:
    """Names and versions of the packages the kernel can import; nothing for a kernel of another environment."""
    if spec.is_remote or spec.language != "python" or not spec.argv or not _is_this_python(spec.argv[0]):
        return {}
    found = {}
    for each in metadata.distributions():
        # The folder's name has both; reading every package's metadata would take thirty times as long.
        name, _, version = Path(str(getattr(each, "_path", ""))).stem.partition("-")
        if name and version:
            found[name.replace("_", "-").lower()] = version
    return dict(sorted(found.items()))


def _is_this_python(command: str) -> bool:
    return command in ("python", "python3") or command == sys.executable
