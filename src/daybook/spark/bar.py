"""The bar below a cell whose Spark queries take a while: one display that is updated, and one line in the end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from daybook.spark.operations import Operation

QUIET_SECONDS = 1.0
"""What is quicker needs no bar."""
DRAW_SECONDS = 1.0
"""Between two updates: each is a message that the run keeps on the way."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class Display(Protocol):
    """Where the bar is drawn."""

    def cell(self) -> object:
        """What tells the running cell from others; None where there is none, and so no bar."""

    def draw(self, bundle: dict[str, str], handle: Any) -> Any:
        """Shows the bundle in place of what the handle stands for, or anew where that is None; gives the handle."""


class Bar:
    """Listens to operations, of any thread, and draws them.

    Args:
        display: where.
        clock: seconds that only grow.
    """

    def __init__(self, display: Display, clock: Callable[[], float] = time.monotonic) -> None:
        self._display = display
        self._clock = clock
        self._lock = threading.Lock()
        self._cell: object = None
        self._handle: Any = None
        self._running: dict[str, Operation] = {}
        self._over: list[Operation] = []
        self._drawn_at = float("-inf")

    def progressed(self, operation: Operation) -> None:
        """Draws, unless it is too soon for that."""
        with self._lock:
            self._running[operation.id] = operation
            now = self._clock()
            if operation.seconds >= QUIET_SECONDS and now - self._drawn_at >= DRAW_SECONDS:
                self._drawn_at = now
                self._draw()

    def ended(self, operation: Operation) -> None:
        """Leaves one line, where there was a bar or should have been one."""
        with self._lock:
            self._running.pop(operation.id, None)
            if operation.seconds >= QUIET_SECONDS:
                self._to_cell()
                self._over.append(operation)
                self._draw()

    def _draw(self) -> None:
        self._to_cell()
        if self._cell is None:
            return
        slow = [each for each in self._running.values() if each.seconds >= QUIET_SECONDS]
        bundle = running_bundle(slow) if slow else {"text/plain": line_of(self._over)}
        self._handle = self._display.draw(bundle, self._handle)

    def _to_cell(self) -> None:
        cell = self._display.cell()
        if cell != self._cell:
            self._cell, self._handle, self._over = cell, None, []


def running_bundle(running: list[Operation]) -> dict[str, str]:
    """What is shown while operations run: a bar, and the same as text."""
    done, tasks = (sum(getattr(each, name) for each in running) for name in ("tasks_done", "tasks"))
    text = f"Spark: {done}/{tasks} tasks, {max(each.seconds for each in running):.0f} s"
    return {"text/plain": text, "text/html": f'<progress value="{done}" max="{max(tasks, 1)}"></progress> {text}'}


def line_of(over: list[Operation]) -> str:
    """What is left of a cell's operations: `Spark: 3 queries, 24 tasks in 9.1 s, 12.0 MiB read`."""
    tasks, read = (sum(getattr(each, name) for each in over) for name in ("tasks_done", "read_bytes"))
    failed = sum(each.state == "failed" for each in over)
    parts = [f"{len(over)} queries" if len(over) > 1 else "", f"{failed} failed" if failed else ""]
    # Spark tells now and then, and may not have told of any that ended.
    counted = f"{tasks} task{'' if tasks == 1 else 's'} in " if tasks else ""
    parts.append(f"{counted}{sum(each.seconds for each in over):.1f} s")
    parts.append(f"{amount(read)} read" if read else "")
    return f"Spark: {', '.join(filter(None, parts))}"


def amount(size: int) -> str:
    """Bytes for a person."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{size} B"


class NotebookDisplay:
    """IPython's displays; outside of IPython there is no cell and no bar."""

    def cell(self) -> object:
        """The number of the cell that runs."""
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        return shell.execution_count if shell is not None and hasattr(shell, "kernel") else None

    def draw(self, bundle: dict[str, str], handle: Any) -> Any:
        """Shows or updates."""
        from IPython.display import display

        if handle is None:
            return display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        handle.update(bundle, raw=True)
        return handle
