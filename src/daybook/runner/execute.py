"""The story of a run: fetch, prepare, execute, publish."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import TextIO

from daybook.contract.errors import DaybookError, ExitCode, RunInterrupted, StoreFailed
from daybook.contract.manifest import Reason, State
from daybook.contract.request import RunRequest
from daybook.contract.sources import shown
from daybook.runner import attempt as attempts
from daybook.runner.attempt import Attempt
from daybook.runner.aws_config import aws_variables
from daybook.runner.document import Document, read_document
from daybook.runner.ending import Ending, told_by_kernel
from daybook.runner.events import events_of
from daybook.runner.fetch import fetch
from daybook.runner.head_start import HeadStart
from daybook.runner.isolation import isolating
from daybook.runner.kernel import KernelPlace, KernelProcess
from daybook.runner.kernels import KernelSpec, choose, installed, require_cluster, substitution
from daybook.runner.literals import parameters_cell
from daybook.runner.patience import PATIENCE_SECONDS, Patience
from daybook.runner.prepare import language_for, prepare
from daybook.runner.publish import publish
from daybook.runner.spark import SparkFollower, end_sessions
from daybook.storage import StaleAttempt


def execute(
    request: RunRequest,
    environment: Mapping[str, str],
    *,
    scratch: Path,
    stream: TextIO,
    patience: float = PATIENCE_SECONDS,
    saving: float | None = None,
    head_start: HeadStart | None = None,
    withheld: Collection[str] = (),
) -> ExitCode:
    """Executes a notebook and leaves its record in the bucket, on failure just as on success.

    Args:
        request: what to execute, and where its record goes.
        environment: the process's variables: credentials of the bucket, and what the kernel gets.
        scratch: where the working folder is made; it is removed unless the bucket failed.
        stream: takes the log's lines as they come.
        patience: seconds for which a bucket that fails is tried again, and the network may be open.
        saving: the same for the record of a notebook that was executed, where it would be lost; None: no longer.
        head_start: a process that may become the kernel.
        withheld: names of variables that the kernel does not get, such as credentials that are not the workspace's.

    Returns:
        The exit code that agrees with the sealed manifest.

    Raises:
        InvalidSettings: the output is no address of a bucket, so there is no place for a record.
        InfrastructureFailed: there is no place for the working folder, or the bucket cannot be opened.
    """
    with attempts.begin(request, environment, scratch, stream, patience, withheld) as attempt:
        attempt.head_start = head_start
        ending = _ending_of(attempt, patience)
        # Of a run that has executed nothing there is nothing to lose.
        seconds = patience if saving is None or attempt.tally is None else saving
        ending = publish(attempt, ending, _patience_of(attempt, seconds))
    if not attempt.kept:
        attempt.folder.remove()
    return ending.exit_code


def _patience_of(attempt: Attempt, seconds: float) -> Patience:
    """Patience at the run's end, which a signal shortens."""
    asked = attempt.interruption
    return Patience(seconds, attempt.log.say, sleep=asked.wait, hurried=lambda: bool(asked.name))


def _ending_of(attempt: Attempt, patience: float) -> Ending:
    """What comes of the run; every error of its own or of ours is an ending."""
    try:
        document = _fetched(attempt, Patience(patience, attempt.log.say))
        with isolating(attempt.environment, patience) as attempt.require_isolated:
            return _executed(attempt, document)
    except DaybookError as error:
        return Ending.by(attempt.interruption.raised or error)
    except Exception as error:  # noqa: BLE001 - the process's edge: whatever it is, the record must tell of it
        if attempt.interruption.raised is not None:
            return Ending.by(attempt.interruption.raised)
        attempt.log.say(traceback.format_exc())
        return Ending(State.FAILED, Reason.INTERNAL_ERROR, f"the runner itself failed: {error!r}")
    finally:
        attempt.interruption.settle()


def _fetched(attempt: Attempt, patience: Patience) -> Document:
    request = attempt.request
    attempt.log.say(f"run {request.run_id}, attempt {request.attempt}: notebook {shown(request.notebook.source)}")
    attempt.source = fetch(request.notebook, attempt.environment, patience)
    attempt.meter.read(len(attempt.source))
    digest = hashlib.sha256(attempt.source).hexdigest()
    attempt.manifest = attempt.manifest.model_copy(
        update={"notebook": attempt.manifest.notebook.model_copy(update={"sha256": digest})}
    )
    return read_document(attempt.source, shown(request.notebook.source))


def _executed(attempt: Attempt, document: Document) -> Ending:
    request = attempt.request
    kernel = attempt.kernel = choose(document, request.notebook.kernel, installed())
    require_cluster(kernel, request.notebook.kernel, attempt.environment)
    note = substitution(document, request.notebook.kernel, kernel)
    if note is not None:
        attempt.log.say(note)
    parameters = request.parameters
    injected = parameters_cell(parameters, kernel.name, language_for(document, kernel)) if parameters else None
    variables = {**attempt.kernel_environment(), **aws_variables(attempt.environment, attempt.folder.aws_config)}
    place = KernelPlace(attempt.folder.kernel, variables, attempt.folder.kernel_log)
    spark = SparkFollower(attempt.folder.events, attempt.spark_progressed)
    try:
        with spark:
            return _hosted(attempt, document, kernel, injected, place)
    finally:
        attempt.spark = spark.story.record(running=False)
        end_sessions(spark.story.sessions, variables, attempt.log.say)


def _hosted(
    attempt: Attempt, document: Document, kernel: KernelSpec, injected: str | None, place: KernelPlace
) -> Ending:
    """Executes the notebook in a kernel that is gone when this comes back."""
    request = attempt.request
    with KernelProcess(kernel, place, attempt.head_start) as process:
        # The kernel boots while the libraries that will talk to it are loaded here.
        from daybook.contract.processes import with_descendants
        from daybook.runner.engine import host
        from daybook.runner.executing import Hosting
        from daybook.runner.html import HtmlPage
        from daybook.runner.memory import MemoryGuard

        attempt.notebook = prepare(document, shown(request.notebook.source), injected, kernel)
        attempt.page = page = HtmlPage(request.notebook.title or request.notebook.id, attempt.folder.html)
        _require_record(attempt)
        attempt.require_isolated()
        processes = partial(with_descendants, process.pid)
        with MemoryGuard.here(request.limits.memory_bytes, processes, process.kill) as guard:
            attempt.meter.watched_by(guard)
            hosting = Hosting(
                kernel=process,
                saving=attempt,
                side_files=attempt.side_files,
                journal=attempt.journal,
                redactor=attempt.redactor,
                memory=guard,
                say=attempt.log.say,
                printed=attempt.log.cell_printed,
                progressed=attempt.progressed,
                finished=page.begin,
                limits=request.limits,
                may_end_early=request.may_end_early,
                interruption=attempt.interruption,
                started_at=attempt.clock,
            )
            ending = host(attempt.notebook, hosting)
    return (
        ending if not kernel.is_remote else told_by_kernel(ending, attempt.notebook, events_of(attempt.folder.events))
    )


def _require_record(attempt: Attempt) -> None:
    """Has nothing executed whose record the bucket does not take: there is nothing to lose yet."""
    try:
        attempt.recorder.require_begun()
    except StaleAttempt as error:
        attempt.recordable = False  # it belongs to a newer attempt, or was sealed by whoever gave this one up
        raise RunInterrupted(str(error)) from error
    except StoreFailed:
        attempt.recordable = False
        raise
