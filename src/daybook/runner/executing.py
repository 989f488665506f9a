"""Executes a notebook's cells one after another, and says how it ended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from daybook.contract.errors import KernelUnavailable
from daybook.contract.manifest import CellState, Reason, State
from daybook.contract.request import Limits
from daybook.runner import cells
from daybook.runner.asking import Said, Stopped
from daybook.runner.capping import OutputCap
from daybook.runner.changes import Changes
from daybook.runner.client import SILENCE_SECONDS, CellClient
from daybook.runner.ending import SUCCEEDED, Ending
from daybook.runner.flushing import Flusher, Saving
from daybook.runner.interruption import Interruption
from daybook.runner.journal import Journal
from daybook.runner.kernel import KernelProcess, how_it_ended
from daybook.runner.memory import MemoryGuard
from daybook.runner.messages import Keeping
from daybook.runner.redaction import Redactor
from daybook.runner.side_files import SideFiles

_CLOCK_SECONDS = 0.05
"""A timer may come so much before its time by another clock."""
_EXIT_CODES_OF_SUCCESS = frozenset({"", "0", "None", "False"})
"""What `sys.exit` was given, as text, when a notebook ends itself without complaint."""


@dataclass
class Hosting:
    """What surrounds the execution of one notebook, and what comes of it.

    Attributes:
        kernel: started, and stopped by whoever started it.
        saving: takes the notebook on the way.
        side_files: take what is too large for it.
        journal: takes what changes; None where only whole copies are kept.
        redactor: takes secrets out of everything that is kept.
        memory: knows whether the kernel died of taking too much of it.
        say: takes a line for the log.
        printed: takes what cells print.
        progressed: called with the tally whenever a cell's state has changed.
        finished: called when no cell will change any more, before the kernel ends.
        limits: how long things may take, and how much the notebook may hold.
        may_end_early: whether a cell may end the notebook by `exit()`, `quit()` or `sys.exit(0)`.
        interruption: asks for an end from outside.
        started_at: the clock's (`time.monotonic`) at the run's start, from which its limit counts.
        ending: how it ended; set by the engine.
    """

    kernel: KernelProcess
    saving: Saving
    side_files: SideFiles
    journal: Journal | None = None
    redactor: Redactor = field(default_factory=Redactor)
    memory: MemoryGuard | None = None
    say: Callable[[str], None] = lambda _: None
    printed: Callable[[str], None] = lambda _: None
    progressed: Callable[[cells.Tally], None] = lambda _: None
    finished: Callable[[Any], None] = lambda _: None
    limits: Limits = field(default_factory=Limits)
    may_end_early: bool = False
    interruption: Interruption = field(default_factory=Interruption)
    started_at: float = field(default_factory=time.monotonic)
    ending: Ending | None = None


class Execution:
    """One notebook in one kernel."""

    def __init__(self, notebook: Any, hosting: Hosting) -> None:
        self._hosting = hosting
        self._sources = [cell.source for cell in notebook.cells]
        self._notebook = _without_secrets(notebook, hosting.redactor)
        self._changes = Changes(notebook)
        cap = OutputCap(hosting.limits, hosting.side_files, hosting.say)
        keeping = Keeping(self._changes, cap, hosting.redactor, hosting.printed, hosting.say)
        self._client = CellClient(notebook, hosting.kernel, keeping)
        self._flusher = Flusher(self._changes, hosting.journal, hosting.saving, self._client.settle, hosting.say)
        self._tally = cells.Tally(notebook)
        self._total = self._tally.counts().total

    async def run(self) -> Ending:
        """Executes the cells until they are through or one of them ends the run.

        Raises:
            KernelUnavailable: the kernel did not come up.
        """
        loop = asyncio.get_running_loop()
        self._flusher.flush()
        saving = asyncio.ensure_future(self._flusher.run())
        try:
            with self._hosting.interruption.calling(lambda: loop.call_soon_threadsafe(self._client.tell_to_stop)):
                self._hosting.progressed(self._tally)
                _, seconds = self._time_left(time.monotonic(), of_cell=False)
                try:
                    if not await self._client.begin(seconds):
                        return self._told_to_stop("before the first cell")
                except KernelUnavailable:
                    left = self._time_left(time.monotonic(), of_cell=False)[1]
                    if left is not None and left < _CLOCK_SECONDS:
                        return Ending(State.FAILED, Reason.RUN_TIMEOUT, self._too_long("the kernel was starting"))
                    raise
                self._notebook.metadata["language_info"] = self._client.language_info
                return await self._run_cells()
        finally:
            try:
                saving.cancel()
                with suppress(asyncio.CancelledError):
                    await saving
                self._client.set_widgets_metadata()
                self._notebook.metadata = self._hosting.redactor.json(self._notebook.metadata)
                self._hosting.finished(self._notebook)
            finally:
                with self._hosting.interruption.calling(lambda: loop.call_soon_threadsafe(self._client.hurry)):
                    await self._client.end()

    async def _run_cells(self) -> Ending:
        for position, (index, cell) in enumerate(cells.code_cells(self._notebook), start=1):
            name = f"cell {position}/{self._total}"
            if self._client.told_to_stop:
                return self._told_to_stop(f"before {name}")
            if cells.is_skipped(cell):
                self._note(cell, index, CellState.SKIPPED)
                self._hosting.say(f"{name} skipped")
                continue
            reason, seconds = self._time_left(time.monotonic())
            if seconds == 0:
                return Ending(State.FAILED, reason, self._too_long(f"{name} was next"))
            ending = await self._run_cell(cell, index, name)
            if ending is not None:
                return ending
        return SUCCEEDED

    async def _run_cell(self, cell: Any, index: int, name: str) -> Ending | None:
        self._note(cell, index, CellState.RUNNING)
        started = time.monotonic()
        reason, seconds = self._time_left(started)
        try:
            said = await self._client.run_cell(cell, index, self._sources[index], seconds)
        except Exception:
            self._note(cell, index, CellState.INTERRUPTED)  # by a fault of our own: it ran, and nobody knows how far
            raise
        ending = self._judged(cell, index, name, said, reason)
        state = _state_of_cell(ending)
        self._note(cell, index, state)
        self._hosting.say(f"{name} {state} in {time.monotonic() - started:.1f} s")
        return ending

    def _judged(self, cell: Any, index: int, name: str, said: Said, time_reason: Reason) -> Ending | None:
        """What a cell means for the run: None to go on."""
        if said.stopped is Stopped.TOLD_TO_STOP:
            ending = self._told_to_stop(f"while {name} was running")
            self._show(cell, index, Reason.TERMINATED, ending.message or "")
            return ending
        if said.stopped is Stopped.TIME_UP:
            return self._failed(cell, index, time_reason, self._too_long_in(name, time_reason), said)
        if said.stopped is Stopped.KERNEL_DIED:
            return self._kernel_died(cell, index, name, said)
        if said.stopped is Stopped.KERNEL_HUNG:
            message = f"the kernel stopped answering in {name}: it gave no sign of life for {SILENCE_SECONDS:g} s"
            return self._failed(cell, index, Reason.KERNEL_UNAVAILABLE, message, said)
        if said.asked_to_exit:
            if said.complained:
                return self._failed(cell, index, Reason.EARLY_EXIT, f"{name} ended the notebook by exit(…)", said)
            return self._ended_early(cell, index, name, "exit() or quit()", said)
        if not said.raised or cells.may_raise(cell):
            return None
        error = cells.error_of(cell, index, Reason.CELL_ERROR, said.reply)
        if error.name == "SystemExit" and self._hosting.may_end_early and error.value in _EXIT_CODES_OF_SUCCESS:
            return self._ended_early(cell, index, name, "sys.exit()", said)
        what = cells.in_brief(error)
        if error.name == Reason.CELL_ERROR:  # some languages have errors without a name
            return Ending(State.FAILED, Reason.CELL_ERROR, f"{name} failed{what.removeprefix(error.name)}", error)
        if error.name == "SystemExit":
            return Ending(State.FAILED, Reason.EARLY_EXIT, f"{name} ended the notebook by {what}", error)
        return Ending(State.FAILED, Reason.CELL_ERROR, f"{name} raised {what}", error)

    def _ended_early(self, cell: Any, index: int, name: str, how: str, said: Said) -> Ending:
        """A cell has ended the notebook: as it may, or it is a failure, since later cells did not run."""
        message = f"{name} ended the notebook by {how}"
        if not self._hosting.may_end_early:
            return self._failed(cell, index, Reason.EARLY_EXIT, message, said)
        # Readers of notebooks take any exception among the outputs for a failure; this one was a wish.
        cell.outputs = [output for output in cell.outputs if output.get("ename") != "SystemExit"]
        self._changes.note(index, 0)
        return Ending(State.SUCCEEDED, message=f"{message}, as this notebook may")

    def _kernel_died(self, cell: Any, index: int, name: str, said: Said) -> Ending:
        code = self._hosting.kernel.exit_code()
        memory = self._hosting.memory
        # Linux may have ended some other process for it, which the notebook coped with.
        if memory is not None and memory.exceeded and code == -signal.SIGKILL:
            message = f"the kernel was killed in {name} {memory.message()}"
            return self._failed(cell, index, Reason.OUT_OF_MEMORY, message, said)
        message = f"the kernel {how_it_ended(code)} in {name}"
        return self._failed(cell, index, Reason.KERNEL_DIED, message, said)

    def _failed(self, cell: Any, index: int, reason: Reason, message: str, said: Said) -> Ending:
        """An ending that no exception of the notebook's own tells; the cell shows it too."""
        found = cells.error_of(cell, index, reason, said.reply)
        self._show(cell, index, reason, message)
        error = found.model_copy(update={"name": reason.value, "value": message})
        return Ending(State.FAILED, reason, message, error)

    def _told_to_stop(self, when: str) -> Ending:
        by = self._hosting.interruption.name
        return Ending(State.INTERRUPTED, Reason.TERMINATED, f"the run was ended from outside ({by}) {when}")

    def _time_left(self, now: float, *, of_cell: bool = True) -> tuple[Reason, float | None]:
        """How long the next cell, or all of it, may take, and what it means if it takes longer."""
        limits = self._hosting.limits
        cell = limits.cell_timeout_seconds if of_cell else None
        if limits.timeout_seconds is None:
            return Reason.CELL_TIMEOUT, cell
        left = max(0.0, self._hosting.started_at + limits.timeout_seconds - now)
        if cell is not None and cell < left:
            return Reason.CELL_TIMEOUT, cell
        return Reason.RUN_TIMEOUT, left

    def _too_long_in(self, name: str, reason: Reason) -> str:
        if reason is Reason.CELL_TIMEOUT:
            return f"{name} took longer than the {self._hosting.limits.cell_timeout_seconds:g} s that a cell may take"
        return self._too_long(f"{name} was running")

    def _too_long(self, where: str) -> str:
        return f"the run took longer than the {self._hosting.limits.timeout_seconds:g} s it may take; {where}"

    def _note(self, cell: Any, index: int, state: CellState) -> None:
        self._tally.note(cell, index, state)
        self._changes.note(index, len(cell.outputs))
        self._hosting.progressed(self._tally)

    def _show(self, cell: Any, index: int, reason: Reason, message: str) -> None:
        """Lets the notebook's reader see, at the cell itself, what no traceback tells."""
        output = cells.output_of("error", ename=reason.value, evalue=message, traceback=[message])
        self._client.add(cell, index, output)


def _without_secrets(notebook: Any, redactor: Redactor) -> Any:
    """The notebook as it may be kept, in place; what is executed is what was given."""
    for cell in notebook.cells:
        cell.update(redactor.json(dict(cell)))
    notebook.metadata.update(redactor.json(dict(notebook.metadata)))
    return notebook


def _state_of_cell(ending: Ending | None) -> CellState:
    if ending is None or ending.state is State.SUCCEEDED:
        return CellState.SUCCEEDED
    if ending.state is State.INTERRUPTED or ending.reason is Reason.RUN_TIMEOUT:
        return CellState.INTERRUPTED
    return CellState.FAILED
