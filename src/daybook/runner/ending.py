"""How a run ended: state, reason and message, which the manifest, the log and the exit code all take from here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from daybook.contract.errors import (
    DaybookError,
    ExitCode,
    InvalidRequest,
    InvalidSettings,
    KernelUnavailable,
    RunInterrupted,
    StoreFailed,
)
from daybook.contract.manifest import CellError, Reason, State, exit_code_for
from daybook.runner.events import Events

_REASONS: tuple[tuple[type[DaybookError], State, Reason], ...] = (
    (InvalidRequest, State.FAILED, Reason.INVALID_REQUEST),
    (InvalidSettings, State.FAILED, Reason.INVALID_REQUEST),
    (StoreFailed, State.FAILED, Reason.STORE_FAILED),
    (KernelUnavailable, State.FAILED, Reason.KERNEL_UNAVAILABLE),
    (RunInterrupted, State.INTERRUPTED, Reason.TERMINATED),
)


@dataclass(frozen=True)
class Ending:
    """What became of a run.

    Attributes:
        state: a final one.
        reason: why it did not succeed; None when it did.
        message: one clear sentence for whoever must act; None when it succeeded.
        error: the cell that ended the run, where one did.
    """

    state: State
    reason: Reason | None = None
    message: str | None = None
    error: CellError | None = None

    @property
    def exit_code(self) -> ExitCode:
        """What the process ends with."""
        return exit_code_for(self.state, self.reason)

    @classmethod
    def by(cls, error: DaybookError) -> Ending:
        """The ending that an error of our own stands for."""
        for kind, state, reason in _REASONS:
            if isinstance(error, kind):
                return cls(state, reason, str(error))
        return cls(State.FAILED, Reason.INTERNAL_ERROR, str(error))


SUCCEEDED = Ending(State.SUCCEEDED)


def told_by_kernel(ending: Ending, notebook: Any, events: Events) -> Ending:
    """The ending of a cell that failed on a cluster: for the cluster's reason, where the kernel told one.

    Args:
        ending: as the cell's error tells it.
        notebook: the executed one.
        events: what the kernel told.
    """
    if ending.reason is not Reason.CELL_ERROR or ending.error is None or ending.error.cell is None:
        return ending
    reason = events.failures.get(notebook.cells[ending.error.cell].execution_count)
    return ending if reason is None else replace(ending, reason=reason)
