"""A notebook's session on a cluster: its contexts, its files, its cells one after another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from databricks.sdk.service.compute import ClusterDetails, Results

from daybook.databricks.cell_errors import cell_error
from daybook.databricks.cells import Cell, Kind, read_cell
from daybook.databricks.cluster import Cluster
from daybook.databricks.commands import Command
from daybook.databricks.connection import Connection, connect
from daybook.databricks.contexts import GONE, Contexts
from daybook.databricks.errors import (
    CommandCancelled,
    CommandTimedOut,
    ContextLost,
    DatabricksFailed,
    PythonRestarted,
    RemoteFailed,
)
from daybook.databricks.facts import Facts
from daybook.databricks.in_run.companion import Companion
from daybook.databricks.in_run.reporter import END_SECONDS
from daybook.databricks.in_run.telling import Telling
from daybook.databricks.interruption import Interrupted, Interruption
from daybook.databricks.model import Synchroniser
from daybook.databricks.output import Heard, Output
from daybook.databricks.python_process import PythonProcess
from daybook.databricks.refusals import FOREIGN
from daybook.databricks.remote import InContext
from daybook.databricks.remote_code import enter_code
from daybook.databricks.results import display, messages_of, stream
from daybook.databricks.settings import Settings

PROCESS_GONE = "The Python process of the context has ended, and the variables with it.\n"
RESTARTED = "Python was restarted, as this cell asked: the variables are gone{but}.\n"
_BUT = ", but for the parameters"


class Session:
    """Runs cells on one cluster. Everything but `close` is for one thread."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        interruption: Interruption,
        make_synchroniser: Callable[[], Synchroniser] | None = None,
        companion: Companion | None = None,
    ) -> None:
        """Asks nothing of Databricks yet.

        Args:
            companion: goes along with the notebook, for a run of Daybook.
            make_synchroniser: makes what brings the project's files to the cluster before each cell; None for no files.
        """
        self._settings = settings
        self._connection = connection
        self._interruption = interruption
        self._make_synchroniser = make_synchroniser
        self._companion = companion or Companion({}, Telling({}))
        self._synchroniser: Synchroniser | None = None
        self._cluster = Cluster(connection, settings.limits, interruption)
        self._contexts = Contexts(connection, self._cluster, settings.limits, interruption)
        self._turn = threading.Lock()
        self._ending = threading.Lock()
        self._process = PythonProcess()
        self._parameters: list[Cell] = []
        self._entered = False
        self._noted: set[str] = set()
        self._details: ClusterDetails | None = None
        self.commands: list[str] = []
        self.facts: Facts | None = None

    @property
    def place(self) -> tuple[str, str]:
        """The workspace's address and the cluster's id."""
        return self._connection.host, self._connection.cluster_id

    def run_cell(self, source: str, output: Output, *, batch: bool) -> None:
        """Runs one cell.

        Args:
            source: as it stands in the notebook.
            output: takes what it shows.
            batch: nobody watches: once the variables are lost, every later cell fails as well.

        Raises:
            CellFailed: it raised.
            Interrupted: somebody asked for it.
            DaybookError: anything else; the cell has not run, or nobody can tell what it came to.
        """
        cell = read_cell(source)
        if cell.kind is Kind.MARKDOWN:
            output.show(display({"text/markdown": cell.code, "text/plain": cell.code}))
            return
        with self._turn:
            self._contexts.check(cell.kind, output, batch)
            with self._contexts.losing(Kind.PYTHON):
                self._prepare(output, batch)
            with self._contexts.losing(cell.kind):
                self._run(cell, output, batch)

    def run_python(self, code: str, *, limit_seconds: float | None = None) -> str:
        """See `daybook.databricks.model.Remote`."""
        return InContext(self._contexts[Kind.PYTHON]).run_python(code, limit_seconds=limit_seconds)

    def close(self, seconds: float = END_SECONDS) -> None:
        """Ends it: cancels the running command, fetches what a run wants, leaves no files and contexts behind.

        Args:
            seconds: all of that may take; called again meanwhile, it may take less.
        """
        self._companion.hurry(seconds)
        is_first = self._ending.acquire(blocking=False)
        if not is_first:
            self._ending.acquire()  # it is under way, and hurries now
        try:
            if is_first:
                self._interruption.ask_for_good()
                with self._interruption.unheard():  # a cell that is stuck has yet to hear of it
                    self._end(seconds)
        finally:
            self._ending.release()

    def _end(self, seconds: float) -> None:
        mine = self._turn.acquire(timeout=min(self._settings.limits.cancel + 1, seconds / 2))
        try:
            remote = self if mine and Kind.PYTHON in self._contexts else None
            self._companion.leave(remote, self._contexts.another, seconds)
            if self._synchroniser is not None:
                with suppress(DatabricksFailed, Interrupted):
                    self._synchroniser.remove(remote)
            self._contexts.close()
            self._synchroniser = None
        finally:
            if mine:
                self._turn.release()

    def _prepare(self, output: Output, batch: bool) -> None:
        if Kind.PYTHON not in self._contexts:
            self._details = self._cluster.ensure_running(output.progress)
            self._process.is_gone()
        elif self._process.is_prepared and self._process.is_in_doubt():
            self._look_after_process(output, batch)
        if not self._process.is_prepared:
            self._start()
        if self._make_synchroniser is None:
            return
        if self._synchroniser is None:
            self._synchroniser = self._make_synchroniser()
        self._bring_files(self._synchroniser, output)

    def _bring_files(self, synchroniser: Synchroniser, output: Output) -> None:
        report = synchroniser.synchronise(self)
        if not self._entered:
            self.run_python(enter_code(synchroniser.remote_folder), limit_seconds=self._settings.limits.context)
            self._entered = True
        for note in report.notes:
            if note not in self._noted:
                self._noted.add(note)
                output.show(stream(f"{note}\n", "stderr"))

    def _look_after_process(self, output: Output, batch: bool) -> None:
        """Notices that Python was started anew, and tells; what the new one needs is done then.

        Raises:
            ContextLost: nobody watches, and no cell has asked for it.
        """
        asked_for = self._process.may_end
        try:
            # A new process takes its time to come up.
            self._process.ask(self, self._settings.limits.context if asked_for else None)
        except ContextLost:
            raise
        except RemoteFailed:
            return  # it is busy; there will be another time
        if self._process.is_prepared:
            return
        if batch and not asked_for:
            raise PythonRestarted(
                f"the Python process on cluster {self._connection.cluster_id} was started anew between two cells: its "
                "variables are lost, and the cell was not run"
            )
        parameters = self._parameters
        output.show(stream(RESTARTED.format(but=_BUT if parameters else "") if asked_for else GONE, "stderr"))
        self._process.may_end = False
        self._start()
        for each in parameters if asked_for else ():
            self.run_python(each.code, limit_seconds=self._settings.limits.context)

    def _start(self) -> None:
        """Whatever a fresh process needs. A context in which it cannot be prepared is not used."""
        self._entered = False
        try:
            self._process.prepare(self, self._settings.limits.context)
            known = self._companion.begin(self)
        except (DatabricksFailed, Interrupted):
            self._contexts.drop(Kind.PYTHON)
            raise
        self.facts = self._facts(known)

    def _run(self, cell: Cell, output: Output, batch: bool) -> None:
        self._process.may_end |= cell.may_restart
        heard = Heard(output)
        command = Command(self._contexts[cell.kind], heard.hear)
        try:
            told = command.run(cell.code, self._settings.limits.command)
        except (Interrupted, CommandTimedOut, CommandCancelled):
            self._tell_printed(output, heard, cell)
            raise
        finally:
            self.commands.append(command.id)
        if told.failed:
            self._tell_printed(output, heard, cell)
            raise cell_error(told.results or Results())
        for message in messages_of(told.results, heard.text, self._fetched):
            output.show(message)
        if cell.is_parameters:
            # A notebook's own defaults may come before those given, and other plain values after them: all are kept.
            self._parameters = [*(each for each in self._parameters if each != cell), cell]
        if cell.may_restart:
            self._look_after_process(output, batch)

    def _tell_printed(self, output: Output, heard: Heard, cell: Cell) -> None:
        """What a cell had printed before it failed, and whether its variables are still there."""
        if cell.kind is not Kind.PYTHON or self._interruption.for_good:
            return
        with suppress(DatabricksFailed, Interrupted):
            kept = self._process.ask(self)
            if not self._process.is_prepared:
                output.show(stream(PROCESS_GONE, "stderr"))
                self._contexts.lose_variables(Kind.PYTHON)
            elif kept is not None:
                heard.hear_end(kept.end, kept.left_out)

    def _fetched(self, path: str) -> bytes | None:
        try:
            with self._connection.client.dbfs.download(path) as file:
                return bytes(file.read())
        except FOREIGN:
            return None

    def _facts(self, known: Mapping[str, str | None]) -> Facts:
        connection, details = self._connection, self._details
        return Facts(
            host=connection.host,
            cluster_id=connection.cluster_id,
            runtime=str(details.spark_version or "") if details else "",
            context_id=self._contexts[Kind.PYTHON].id,
            spark=known.get("spark"),
        )


def make_session(
    settings: Settings, run_id: str | None, interruption: Interruption, companion: Companion | None = None
) -> Session:
    """A session for these settings.

    Args:
        companion: goes along with the notebook, for a run of Daybook.
        run_id: keeps the remote files of runs apart; None for a kernel that belongs to none.
        interruption: what interrupts it.

    Raises:
        InvalidSettings: host, credentials or cluster are missing.
    """
    connection = connect(settings, interruption)
    make_synchroniser = None
    if settings.sync.enabled:
        from daybook.databricks.sync import synchroniser

        make_synchroniser = partial(synchroniser, settings.sync, connection.client, run_id)
    return Session(settings, connection, interruption, make_synchroniser, companion)
