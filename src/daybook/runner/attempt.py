"""One attempt under way: its request, its places on disk and in the bucket, and what is known of it so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from daybook.contract import keys, variables
from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import Manifest, SparkRecord
from daybook.contract.request import RunRequest
from daybook.runner import records
from daybook.runner.cells import Tally, mark_running
from daybook.runner.document import to_bytes
from daybook.runner.folder import WorkingFolder
from daybook.runner.head_start import HeadStart
from daybook.runner.html import HtmlPage
from daybook.runner.interruption import Interruption
from daybook.runner.journal import Journal
from daybook.runner.kernels import KernelSpec
from daybook.runner.known_secrets import RenewedSecrets
from daybook.runner.log import RunLog
from daybook.runner.recorder import Recorder
from daybook.runner.redaction import Redactor, secrets_of
from daybook.runner.resources import ResourceMeter
from daybook.runner.side_files import SideFiles
from daybook.storage import RunRecord, open_store


def _at_once() -> None:
    """There is nothing to wait for."""


@dataclass
class Attempt:
    """Everything that the steps of a run hand to one another.

    Attributes:
        request: what was asked for.
        environment: the process's own, as it was given.
        withheld: names of variables that are the runner's alone.
        folder: its places on this machine.
        record: its manifest in the bucket; the store is rooted at the run's prefix.
        redactor: takes secrets out of what is kept.
        log: takes its lines.
        journal: what changes in the notebook, on this machine.
        side_files: what is too large for the notebook.
        recorder: writes its progress.
        meter: counts what it takes.
        interruption: tells whether it was asked to end.
        started: when it started, UTC.
        clock: the same moment on the clock that limits count by.
        manifest: as it stands, but for the cells.
        source: the notebook's bytes, once fetched.
        notebook: the notebook, once prepared.
        kernel: the kernel's specification, once chosen.
        head_start: a process that may become the kernel.
        require_isolated: waits until the network is closed, where it must be before a cell is executed.
        tally: what has become of its cells, once they are being executed.
        spark: what the notebook has told of its Spark by now.
        page: renders the notebook, once there is one to render.
        recordable: whether the record is this attempt's to write.
        kept: whether the working folder must stay, since the bucket does not have all of it.
    """

    request: RunRequest
    environment: Mapping[str, str]
    folder: WorkingFolder
    record: RunRecord
    redactor: Redactor
    log: RunLog
    journal: Journal
    side_files: SideFiles
    recorder: Recorder
    meter: ResourceMeter
    interruption: Interruption
    started: datetime
    clock: float
    manifest: Manifest
    withheld: Collection[str] = ()
    source: bytes | None = None
    notebook: Any = None
    kernel: KernelSpec | None = None
    head_start: HeadStart | None = None
    require_isolated: Callable[[], None] = _at_once
    tally: Tally | None = None
    spark: SparkRecord | None = None
    page: HtmlPage | None = None
    recordable: bool = True
    kept: bool = False

    @property
    def keys(self) -> AttemptKeys:
        """Where its files go, relative to the run's prefix."""
        return AttemptKeys(self.request.attempt)

    @property
    def source_key(self) -> str:
        """Where the notebook as given lies: where it was staged, else among the attempt's own files."""
        staged = self.record.store.url_of(keys.SOURCE_FILE)
        return keys.SOURCE_FILE if self.request.notebook.source == staged else self.keys.prefix + keys.SOURCE_FILE

    @property
    def source_is_staged(self) -> bool:
        """Whether the notebook as given lies in the run's prefix already."""
        return self.request.notebook.source == self.record.store.url_of(keys.SOURCE_FILE)

    def progressed(self, tally: Tally) -> None:
        """A cell's state has changed: the manifest says so soon."""
        self.tally = tally
        self.recorder.progress()

    def spark_progressed(self, spark: SparkRecord | None) -> None:
        """The notebook has told of its Spark: the manifest says so soon."""
        self.spark = spark
        if self.tally is not None:
            self.recorder.progress()

    def current_manifest(self) -> Manifest:
        """The manifest as of now; the recorder asks for it when it is about to write."""
        manifest = records.carried(self.manifest, self.recorder.before, self.recorder.saved)
        if self.tally is not None:
            manifest = records.progressed(manifest, self.tally.counts(), self.spark)
        return records.without_secrets(manifest, self.redactor)

    def copy(self, held: int, /) -> int:
        """Has a whole copy of the notebook written; tells its size in bytes."""
        mark_running(self.notebook, self.request, held)
        data = to_bytes(self.notebook)
        self.recorder.save(data, held)
        return len(data)

    def size(self) -> int:
        """The size of a whole copy in bytes, if one were made now."""
        return len(to_bytes(self.notebook))

    def follow(self, end: int, /) -> None:
        """Has the journal written, up to there."""
        self.recorder.follow(end)

    def kernel_environment(self) -> dict[str, str]:
        """The kernel's variables: the process's own without what is not for it, and what the contract adds."""
        request = self.request
        added = {
            variables.OUTPUTS_VARIABLE: str(self.folder.outputs),
            variables.RESULTS_VARIABLE: str(self.folder.events),
            variables.WORKSPACE_VARIABLE: request.workspace,
            variables.RUN_VARIABLE: request.run_id,
            variables.NOTEBOOK_VARIABLE: request.notebook.id,
            variables.USER_VARIABLE: request.user or "",
        }
        withheld = {variables.REQUEST_VARIABLE, *self.withheld}
        own = {name: value for name, value in self.environment.items() if name not in withheld}
        return {**own, **added}


@contextmanager
def begin(
    request: RunRequest,
    environment: Mapping[str, str],
    scratch: Path,
    stream: TextIO,
    patience: float,
    withheld: Collection[str] = (),
) -> Iterator[Attempt]:
    """An attempt, from its first manifest on; its folder is the caller's to remove.

    Args:
        request: what is asked for.
        environment: the process's own variables: credentials of the bucket, and what the kernel gets.
        scratch: where the working folder is made.
        stream: takes the log's lines as they come.
        patience: seconds for which a bucket that does not take the first manifest is tried again.
        withheld: names of variables that the kernel does not get.

    Raises:
        InvalidSettings: the output is no address of a bucket.
        InfrastructureFailed: there is no place for the working folder, or the bucket cannot be opened.
    """
    started, clock = records.now(), time.monotonic()
    store = open_store(request.output, environment)
    folder = WorkingFolder.make(scratch)
    secrets = secrets_of(environment)
    redactor = Redactor(secrets, RenewedSecrets(environment))
    # In a bucket that is a folder the journal is written at its place at once.
    journal = Journal(store.local_path(AttemptKeys(request.attempt).journal_slice(0)) or folder.journal)
    with (
        RunLog(folder.log, stream, lambda: records.moment(records.now()), redactor.text) as log,
        SideFiles(folder.side_files, log.say) as side_files,
        Interruption() as interruption,
        Recorder(RunRecord(store), AttemptKeys(request.attempt), journal, log.say, interruption.ask) as recorder,
    ):
        attempt = Attempt(
            request=request,
            environment=environment,
            folder=folder,
            record=RunRecord(store),
            redactor=redactor,
            log=log,
            journal=journal,
            side_files=side_files,
            recorder=recorder,
            meter=ResourceMeter(),
            interruption=interruption,
            started=started,
            clock=clock,
            manifest=records.begun(request, started),
            withheld=withheld,
        )
        recorder.begin(attempt.current_manifest, patience)
        for secret in secrets:
            if not secret.can_be_kept_out:
                log.say(f"the value of {secret.name} is too short to be kept out of the record: do not show it")
        yield attempt
