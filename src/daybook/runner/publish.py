"""Leaves the record of a run in the bucket: notebook, page, outputs, log, and last of all the sealed manifest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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
from daybook.runner.outputs import OutputFile, collect
from daybook.runner.patience import Patience
from daybook.storage import StaleAttempt

UPLOADS_AT_ONCE = 4
_NOTEBOOK = "application/x-ipynb+json"


@dataclass(frozen=True)
class Record:
    """What is to be left of a run.

    Attributes:
        files: keys and what goes there: bytes or a file, with its media type.
        outputs: among them the notebook's own files.
        found: what the manifest says of it all.
    """

    files: dict[str, tuple[Any, str]]
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
        _upload(attempt, record, patience)
        _clear_journal(attempt, patience)
        return _sealed(attempt, ending, record.found, patience)
    except StaleAttempt as error:
        stopped = Ending.by(RunInterrupted(str(error)))
        attempt.log.say(_in_words(stopped))
        return stopped
    except StoreFailed as error:
        return _kept_here(attempt, ending, error)


def _gathered(attempt: Attempt, ending: Ending) -> Record:
    notebook = _final_notebook(attempt, ending)
    attempt.manifest = attempt.current_manifest()
    page = _page(attempt) if notebook else None
    outputs = collect(attempt.folder.outputs, attempt.log.say)
    side_files = attempt.side_files.collected(attempt.keys)
    results, spark, lost = records.events_of(attempt.folder.events)
    for each in lost:
        attempt.log.say(f"not kept: {each}")
    found: dict[str, Any] = {
        "outputs": records.outputs_of(outputs, attempt.keys),
        "side_files": tuple(listed for _, listed in side_files),
        "results": results,
        "spark": spark,
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
    files: dict[str, tuple[Any, str]] = {}
    if notebook is not None:
        files[attempt.keys.notebook] = (notebook, _NOTEBOOK)
    if page is not None:
        files[attempt.keys.html] = (page, "text/html")
    if attempt.source is not None and not attempt.source_is_staged:
        files[attempt.source_key] = (attempt.source, _NOTEBOOK)
    files |= {attempt.keys.output(each.path): (each.file, each.media_type) for each in outputs}
    files |= {listed.key: (path, listed.media_type) for path, listed in side_files}
    return Record(files, outputs, found)


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


def _upload(attempt: Attempt, record: Record, patience: Patience) -> None:
    store = attempt.record.store
    with ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="upload") as pool:
        tasks = [
            pool.submit(patience.run, partial(store.write, key, data, kind))
            for key, (data, kind) in record.files.items()
        ]
    attempt.meter.wrote(sum(map(_size, (data for data, _ in record.files.values()))))
    failed = [error for task in tasks if (error := task.exception()) is not None]
    if failed:
        raise failed[0]


def _size(data: Path | bytes) -> int:
    return data.stat().st_size if isinstance(data, Path) else len(data)


def _clear_journal(attempt: Attempt, patience: Patience) -> None:
    """Takes the journal's slices out of the bucket: the notebook has it all now."""
    with ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="clear") as pool:
        delete = attempt.record.store.delete
        tasks = [pool.submit(patience.run, partial(delete, key)) for key in attempt.recorder.slices]
    for task in tasks:
        task.result()


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
    return attempt.meter.use()


def _last_line(attempt: Attempt, ending: Ending, found: dict[str, Any]) -> str:
    took = f"{(records.now() - attempt.started).total_seconds():.1f} s"
    outputs = len(found["outputs"])
    left = f"{took}, {outputs} output{'' if outputs == 1 else 's'}, record: {attempt.record.store.url}"
    return f"{_in_words(ending)} [{left}]"


def _in_words(ending: Ending) -> str:
    return str(ending.state) if ending.reason is None else f"{ending.state} ({ending.reason}): {ending.message}"


def _kept_here(attempt: Attempt, ending: Ending, error: StoreFailed) -> Ending:
    """The bucket failed: everything stays where it is, with a manifest beside it that says so."""
    first = "" if ending.state is State.SUCCEEDED else f"{ending.message}; and "
    message = f"{first}{error}; {_where_it_is(attempt)}"
    failed = Ending(State.FAILED, Reason.STORE_FAILED, message, ending.error)
    attempt.kept = True
    sealed = records.sealed(attempt.current_manifest(), failed, attempt.started, resources=_resources(attempt))
    _try_to_seal(attempt, records.without_secrets(sealed, attempt.redactor))
    attempt.log.say(_in_words(failed))
    return failed


def _where_it_is(attempt: Attempt) -> str:
    if REQUEST_VARIABLE in attempt.environment:
        # The path means something only inside the pod, whose files go with it.
        return f"everything is in the pod's own folder {attempt.folder.root} for as long as the pod is kept"
    return f"everything is kept in {attempt.folder.root}"


def _try_to_seal(attempt: Attempt, manifest: Manifest) -> None:
    try:
        attempt.folder.manifest.write_text(manifest.to_json())
    except OSError as error:
        attempt.log.say(f"the manifest cannot be kept here: {attempt.folder.manifest}: {error.strerror or error}")
    try:
        attempt.record.write(manifest)
    except StoreFailed as error:
        attempt.log.say(f"the manifest could not be sealed either: {error}")
