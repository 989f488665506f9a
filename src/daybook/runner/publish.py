"""Leaves the record of a run in the bucket: notebook, page, outputs, log, and last of all the sealed manifest."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from daybook.contract.errors import RunInterrupted, StoreFailed
from daybook.contract.manifest import Manifest, Reason, ResourceUse, State
from daybook.contract.variables import REQUEST_VARIABLE
from daybook.runner import records
from daybook.runner.attempt import Attempt
from daybook.runner.document import to_bytes, write_notebook
from daybook.runner.ending import Ending
from daybook.runner.events import events_of
from daybook.runner.outputs import OutputFile, collect
from daybook.runner.patience import Patience
from daybook.runner.previews import previews_of
from daybook.runner.uploading import Upload, delete_all, upload_all
from daybook.storage import StaleAttempt

_NOTEBOOK = "application/x-ipynb+json"
_JSON = "application/json"


@dataclass(frozen=True)
class Record:
    """What is to be left of a run.

    Attributes:
        uploads: what goes to the bucket.
        outputs: among them the notebook's own files.
        found: what the manifest says of it all.
    """

    uploads: list[Upload]
    outputs: list[OutputFile]
    found: dict[str, Any]


def publish(attempt: Attempt, ending: Ending, patience: Patience) -> Ending:
    """Leaves everything in the bucket and seals the manifest.

    Args:
        attempt: whose record it is.
        ending: how it ended.
        patience: with a bucket that fails.

    Returns:
        How the run ended after all: a bucket that does not take the record is a failure of its own, and everything
        stays on the disk of this machine or pod then.
    """
    attempt.recorder.close()
    if not attempt.recordable:
        attempt.log.say(_in_words(ending))
        return ending
    try:
        record = _gathered(attempt, ending)
        # Whoever gave this attempt up has put its notebook in order: what is there then must stay.
        patience.run(partial(attempt.record.require_writable, attempt.manifest))
        attempt.meter.wrote(sum(each.size for each in record.uploads))
        digests = upload_all(attempt.record.store, record.uploads, patience, attempt.log.say)
        record.found["outputs"] = records.outputs_of(record.outputs, attempt.keys, digests)
        ended = _sealed(attempt, ending, record.found, patience)
    except StaleAttempt as error:
        return _not_ours(attempt, error)
    except StoreFailed as error:
        return _kept_here(attempt, ending, Reason.STORE_FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - whatever a notebook has put out: the record must tell of it
        attempt.log.say(traceback.format_exc())
        return _kept_here(attempt, ending, Reason.INTERNAL_ERROR, f"the record cannot be made whole: {error!r}")
    _clear_journal(attempt)
    return ended


def _not_ours(attempt: Attempt, error: StaleAttempt) -> Ending:
    """Somebody else has the record: what this attempt has made stays here."""
    attempt.kept = True
    stopped = Ending.by(RunInterrupted(f"{error}; {_where_it_is(attempt)}"))
    attempt.log.say(_in_words(stopped))
    return stopped


def _clear_journal(attempt: Attempt) -> None:
    """Takes the journal out of the bucket: the notebook has it all now. What stays of it harms nobody."""
    begins = {0, *attempt.recorder.slices}
    try:
        delete_all(attempt.record.store, map(attempt.keys.journal_slice, begins))
    except StoreFailed as error:
        attempt.log.say(f"the journal is still in the bucket: {error}")


def _gathered(attempt: Attempt, ending: Ending) -> Record:
    notebook = _final_notebook(attempt, ending)
    attempt.manifest = attempt.current_manifest()
    page = _page(attempt) if notebook else None
    outputs = collect(attempt.folder.outputs, attempt.log.say)
    side_files = attempt.side_files.collected(attempt.keys)
    events = events_of(attempt.folder.events)
    for each in events.lost:
        attempt.log.say(f"not kept: {each}")
    found: dict[str, Any] = {
        "side_files": tuple(listed for _, listed in side_files),
        "results": events.results,
        "spark": events.spark,
        "databricks": events.cluster_of(attempt.notebook),
        "files": records.files_of(
            attempt.keys,
            notebook=notebook is not None,
            html=page is not None,
            source=attempt.source_key if attempt.source is not None else attempt.manifest.files.source,
        ),
    }
    if attempt.kernel is not None:
        found["kernel"] = records.kernel_of(attempt.kernel, attempt.notebook)
        found["packages"] = records.packages_of(attempt.kernel)
    uploads = [Upload(attempt.keys.output(each.path), each.file, each.media_type, digested=True) for each in outputs]
    uploads += [Upload(listed.key, path, listed.media_type) for path, listed in side_files]
    uploads += _previews(attempt, outputs)
    if notebook is not None:
        uploads.append(Upload(attempt.keys.notebook, notebook, _NOTEBOOK))
    if page is not None:
        uploads.append(Upload(attempt.keys.html, page, "text/html"))
    if attempt.source is not None and not attempt.source_is_staged:
        uploads.append(Upload(attempt.source_key, attempt.source, _NOTEBOOK))
    return Record(uploads, outputs, found)


def _previews(attempt: Attempt, outputs: list[OutputFile]) -> list[Upload]:
    """A small look into each output that is a table; a run that was told to stop has no time for them."""
    if attempt.interruption.name:
        return []
    return [
        Upload(attempt.keys.preview(path), json.dumps(attempt.redactor.json(found)).encode(), _JSON, digested=True)
        for path, found in previews_of(outputs, attempt.log.say).items()
    ]


def _final_notebook(attempt: Attempt, ending: Ending) -> Path | bytes | None:
    """The executed notebook: on disk, or as bytes where that is full; None where the run ended before there was one."""
    if attempt.notebook is None:
        return None
    from daybook.runner.cells import close

    close(attempt.notebook, ending, attempt.started, attempt.request)
    # Parameters and the message stand there now; cells were taken care of as they were executed.
    attempt.notebook.metadata = attempt.redactor.json(attempt.notebook.metadata)
    path = attempt.folder.notebook
    try:
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            write_notebook(attempt.notebook, file)
    except OSError as error:
        attempt.log.say(f"cannot keep a copy on disk: {path}: {error.strerror or error}")
        return to_bytes(attempt.notebook)
    return path


def _page(attempt: Attempt) -> Path | None:
    """The notebook as a page; one that cannot be rendered is missed, but is no reason to fail the run."""
    if attempt.page is None:
        return None
    try:
        return attempt.page.finish(attempt.notebook)
    except Exception as error:  # noqa: BLE001 - nbconvert meets odd outputs with whatever it stumbles over
        attempt.log.say(f"the notebook cannot be rendered as HTML: {error!r}")
        return None


def _sealed(attempt: Attempt, ending: Ending, found: dict[str, Any], patience: Patience) -> Ending:
    attempt.log.say(_last_line(attempt, ending, found))
    patience.run(partial(attempt.record.store.write, attempt.keys.log, attempt.log.content(), "text/plain"))
    # The same document each time: a try whose answer was lost is known again by it.
    found["resources"] = _resources(attempt)
    sealed = records.sealed(attempt.manifest, ending, attempt.started, **found)
    patience.run(partial(attempt.record.write, records.without_secrets(sealed, attempt.redactor)))
    return ending


def _resources(attempt: Attempt) -> ResourceUse:
    """What the attempt took; the kernel has ended, so its time and memory are known."""
    attempt.meter.wrote(attempt.recorder.written_bytes)
    attempt.recorder.written_bytes = 0
    return attempt.meter.use()


def _last_line(attempt: Attempt, ending: Ending, found: dict[str, Any]) -> str:
    took = f"{(records.now() - attempt.started).total_seconds():.1f} s"
    outputs = len(found["outputs"])
    left = f"{took}, {outputs} output{'' if outputs == 1 else 's'}, record: {attempt.record.store.url}"
    return f"{_in_words(ending)} [{left}]"


def _in_words(ending: Ending) -> str:
    return str(ending.state) if ending.reason is None else f"{ending.state} ({ending.reason}): {ending.message}"


def _kept_here(attempt: Attempt, ending: Ending, reason: Reason, what: str) -> Ending:
    """The record failed: everything stays where it is, with a manifest beside it that says so."""
    first = "" if ending.state is State.SUCCEEDED else f"{ending.message}; and "
    message = f"{first}{what}; {_where_it_is(attempt)}"
    failed = Ending(State.FAILED, reason, message, ending.error)
    attempt.kept = True
    sealed = records.sealed(attempt.current_manifest(), failed, attempt.started, resources=_resources(attempt))
    if reason is Reason.INTERNAL_ERROR:
        sealed = _with_log(attempt, sealed)
    known = _try_to_seal(attempt, records.without_secrets(sealed, attempt.redactor))
    if known is not None:
        failed = Ending(known.state, known.reason, known.message, known.error)
    attempt.log.say(_in_words(failed))
    return failed


def _with_log(attempt: Attempt, manifest: Manifest) -> Manifest:
    """The manifest, and the log in the bucket that says what went wrong."""
    try:
        attempt.record.store.write(attempt.keys.log, attempt.log.content(), "text/plain")
    except StoreFailed as error:
        attempt.log.say(f"the log cannot be kept in the bucket: {error}")
        return manifest
    return manifest.model_copy(update={"files": manifest.files.model_copy(update={"log": attempt.keys.log})})


def _where_it_is(attempt: Attempt) -> str:
    if REQUEST_VARIABLE in attempt.environment:
        # The path means something only inside the pod. A kubelet clears the emptyDirs of one that has ended; localpods
        # keeps them with the pod.
        return f"everything is in the pod's own folder {attempt.folder.root}, which a cluster clears when the pod ends"
    return f"everything is kept in {attempt.folder.root}"


def _try_to_seal(attempt: Attempt, manifest: Manifest) -> Manifest | None:
    """Keeps the manifest here, and in the bucket if that takes it; gives our own seal if it had got there after all."""
    try:
        attempt.folder.manifest.write_text(manifest.to_json())
    except OSError as error:
        attempt.log.say(f"the manifest cannot be kept here: {attempt.folder.manifest}: {error.strerror or error}")
    try:
        return _sealed_before(attempt, manifest)
    except StoreFailed as error:
        attempt.log.say(f"the manifest could not be sealed either: {error}")
        return None


def _sealed_before(attempt: Attempt, manifest: Manifest) -> Manifest | None:
    """Seals unless that was done: the answers to all earlier tries may have been lost, but not the tries."""
    try:
        attempt.record.write(manifest)
    except StaleAttempt:
        found = attempt.record.read()
        if found is None or (found.attempt, found.sealed, found.sealed_by) != (manifest.attempt, True, "runner"):
            raise
        attempt.log.say("the sealed manifest had reached the bucket, although every answer to it was lost")
        attempt.kept = False
        return found
    return None
