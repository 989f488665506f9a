"""Executes a notebook's cells one after another, and says how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from nbformat.v4 import new_output

from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import CellState, Reason, State
from daybook.contract.request import Limits, RunRequest
from daybook.contract.sources import shown
from daybook.runner import cells
from daybook.runner.client import CellClient, Said, Stopped
from daybook.runner.ending import SUCCEEDED, Ending
from daybook.runner.interruption import Interruption
from daybook.runner.kernel import KernelProcess, how_it_ended
from daybook.runner.memory import MemoryLimit

SAVE_EVERY_SECONDS = 2.0
"""At most this much output is lost when the runner itself is killed, as long as the notebook is small."""
SAVE_BYTES_PER_SECOND = 500_000
"""A large notebook is saved at most this fast, so that what is written stays in proportion to what there is."""
_LOOK_EVERY_SECONDS = 0.25


@dataclass
class Hosting:
    """What surrounds the execution of one notebook, and what comes of it.

    Attributes:
        kernel: started, and stopped by whoever started it.
        say: takes a line for the log.
        printed: takes what cells print.
        progressed: called with the tally whenever a cell's state has changed.
        save: takes a copy of the notebook on the way; tells the bytes it wrote.
        finished: called when no cell will change any more, before the kernel ends.
        limits: how long things may take.
        interruption: asks for an end from outside.
        started_at: the clock's (`time.monotonic`) at the run's start, from which its limit counts.
        ending: how it ended; set by the engine.
    """

    kernel: KernelProcess
    say: Callable[[str], None]
    printed: Callable[[str], None]
    progressed: Callable[[cells.Tally], None]
    save: Callable[[Any], int]
    finished: Callable[[Any], None] = lambda _: None
    limits: Limits = field(default_factory=Limits)
    interruption: Interruption = field(default_factory=Interruption)
    started_at: float = field(default_factory=time.monotonic)
    ending: Ending | None = None


class Execution:
    """One notebook in one kernel."""

    def __init__(self, notebook: Any, hosting: Hosting) -> None:
        self._notebook = notebook
        self._hosting = hosting
        self._dirty = True
        self._memory = MemoryLimit.here()
        self._client = CellClient(notebook, hosting.kernel, self._changed, hosting.printed)
        self._tally = cells.Tally(notebook)
        self._total = self._tally.counts().total

    async def run(self) -> Ending:
        """Executes the cells until they are through or one of them ends the run.

        Raises:
            KernelUnavailable: the kernel did not come up.
        """
        loop = asyncio.get_running_loop()
        saving = asyncio.ensure_future(self._save_when_changed())
        try:
            with self._hosting.interruption.calling(lambda: loop.call_soon_threadsafe(self._client.tell_to_stop)):
                if not await self._client.begin():
                    return self._told_to_stop("before the first cell")
                self._notebook.metadata["language_info"] = self._client.language_info
                return await self._run_cells()
        finally:
            saving.cancel()
            with suppress(asyncio.CancelledError):
                await saving
            self._client.set_widgets_metadata()
            self._hosting.finished(self._notebook)
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
            ending = await self._run_cell(cell, index, name)
            if ending is not None:
                return ending
        return SUCCEEDED

    async def _run_cell(self, cell: Any, index: int, name: str) -> Ending | None:
        self._note(cell, index, CellState.RUNNING)
        started = time.monotonic()
        reason, seconds = self._time_left(started)
        said = await self._client.run_cell(cell, index, seconds)
        ending = self._judged(cell, index, name, said, reason)
        state = _state_of_cell(ending)
        self._note(cell, index, state)
        self._hosting.say(f"{name} {state} in {time.monotonic() - started:.1f} s")
        return ending

    def _judged(self, cell: Any, index: int, name: str, said: Said, time_reason: Reason) -> Ending | None:
        """What a cell means for the run: None to go on."""
        if said.stopped is Stopped.TOLD_TO_STOP:
            ending = self._told_to_stop(f"while {name} was running")
            _show(cell, Reason.TERMINATED, ending.message or "")
            return ending
        if said.stopped is Stopped.TIME_UP:
            return self._failed(cell, index, time_reason, self._too_long(name, time_reason), said)
        if said.stopped is Stopped.KERNEL_DIED:
            return self._kernel_died(cell, index, name, said)
        if said.asked_to_exit:
            return self._failed(cell, index, Reason.EARLY_EXIT, f"{name} ended the notebook by exit() or quit()", said)
        if not said.raised or cells.may_raise(cell):
            return None
        error = cells.error_of(cell, index, Reason.CELL_ERROR, said.reply)
        what = cells.in_brief(error)
        if error.name == "SystemExit":
            return Ending(State.FAILED, Reason.EARLY_EXIT, f"{name} ended the notebook by {what}", error)
        return Ending(State.FAILED, Reason.CELL_ERROR, f"{name} raised {what}", error)

    def _kernel_died(self, cell: Any, index: int, name: str, said: Said) -> Ending:
        code = self._hosting.kernel.exit_code()
        if self._memory.was_exceeded():
            message = f"the kernel was killed in {name} for using more memory than the limit of {self._memory.shown}"
            return self._failed(cell, index, Reason.OUT_OF_MEMORY, message, said)
        message = f"the kernel {how_it_ended(code)} in {name}"
        return self._failed(cell, index, Reason.KERNEL_DIED, message, said)

    def _failed(self, cell: Any, index: int, reason: Reason, message: str, said: Said) -> Ending:
        """An ending that no exception of the notebook's own tells; the cell shows it too."""
        found = cells.error_of(cell, index, reason, said.reply)
        _show(cell, reason, message)
        error = found.model_copy(update={"name": reason.value, "value": message})
        return Ending(State.FAILED, reason, message, error)

    def _told_to_stop(self, when: str) -> Ending:
        by = self._hosting.interruption.name
        return Ending(State.INTERRUPTED, Reason.TERMINATED, f"the run was ended from outside ({by}) {when}")

    def _time_left(self, now: float) -> tuple[Reason, float | None]:
        """How long the next cell may take, and what it means if it takes longer."""
        limits = self._hosting.limits
        cell = limits.cell_timeout_seconds
        if limits.timeout_seconds is None:
            return Reason.CELL_TIMEOUT, cell
        left = max(0.0, self._hosting.started_at + limits.timeout_seconds - now)
        if cell is not None and cell < left:
            return Reason.CELL_TIMEOUT, cell
        return Reason.RUN_TIMEOUT, left

    def _too_long(self, name: str, reason: Reason) -> str:
        limits = self._hosting.limits
        if reason is Reason.CELL_TIMEOUT:
            return f"{name} took longer than the {limits.cell_timeout_seconds:g} s that a cell may take"
        return f"the run took longer than the {limits.timeout_seconds:g} s it may take; {name} was running"

    def _note(self, cell: Any, index: int, state: CellState) -> None:
        self._tally.note(cell, index, state)
        self._dirty = True
        self._hosting.progressed(self._tally)

    def _changed(self) -> None:
        self._dirty = True

    async def _save_when_changed(self) -> None:
        next_at = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if not self._dirty or time.monotonic() < next_at:
                continue
            self._dirty = False
            self._client.settle()
            started = time.monotonic()
            size = self._hosting.save(self._notebook)
            # Saving holds up the conversation with the kernel: it may take a tenth of the time at most.
            cost = 10 * (time.monotonic() - started)
            next_at = started + max(SAVE_EVERY_SECONDS, size / SAVE_BYTES_PER_SECOND, cost) - _LOOK_EVERY_SECONDS


def _state_of_cell(ending: Ending | None) -> CellState:
    if ending is None:
        return CellState.SUCCEEDED
    if ending.state is State.INTERRUPTED or ending.reason is Reason.RUN_TIMEOUT:
        return CellState.INTERRUPTED
    return CellState.FAILED


def _show(cell: Any, reason: Reason, message: str) -> None:
    """Lets the notebook's reader see, at the cell itself, what no traceback tells."""
    cell.outputs.append(new_output("error", ename=reason.value, evalue=message, traceback=[message]))


def close(notebook: Any, ending: Ending, started: datetime, request: RunRequest) -> None:
    """Writes into the notebook's own metadata what became of the run, for us and for papermill's tools."""
    finished = datetime.now(UTC)
    notebook.metadata[cells.METADATA] = {
        "run_id": request.run_id,
        "attempt": request.attempt,
        "state": ending.state.value,
        "reason": ending.reason.value if ending.reason else None,
        "message": ending.message,
    }
    notebook.metadata["papermill"] = {
        **notebook.metadata.get("papermill", {}),
        "input_path": shown(request.notebook.source),
        "output_path": f"{request.output}/{AttemptKeys(request.attempt).notebook}",
        "parameters": dict(request.parameters),
        "environment_variables": {},
        "start_time": started.isoformat(),
        "end_time": finished.isoformat(),
        "duration": (finished - started).total_seconds(),
        "exception": None if ending.state is State.SUCCEEDED else True,
    }
