"""A cell that a kernel was asked to execute, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Stopped(Enum):
    """What ended the wait for a cell."""

    DONE = "done"
    KERNEL_DIED = "kernel_died"
    KERNEL_HUNG = "kernel_hung"
    TIME_UP = "time_up"
    TOLD_TO_STOP = "told_to_stop"


@dataclass
class Said:
    """What came of a cell's execution.

    Attributes:
        stopped: what ended the wait.
        reply: the content of the kernel's reply, where there was one.
    """

    stopped: Stopped
    reply: Mapping[str, Any] = field(default_factory=dict)

    @property
    def raised(self) -> bool:
        """Whether the cell ended with an exception."""
        return self.reply.get("status") not in (None, "ok")

    @property
    def asked_to_exit(self) -> bool:
        """Whether the cell called `exit()` or `quit()`, which IPython takes as a wish, not as an error."""
        wishes = self.reply.get("payload") or ()
        return any(wish.get("source") == "ask_exit" for wish in wishes)

    @property
    def complained(self) -> bool:
        """Whether it called `exit(1)` or the like: IPython takes what is given for a wish to keep the kernel."""
        wishes = self.reply.get("payload") or ()
        return any(wish.get("source") == "ask_exit" and wish.get("keepkernel") for wish in wishes)


@dataclass
class Asked:
    """A cell that the kernel was asked to execute, and what has come of it.

    Attributes:
        reply: the content of the kernel's reply; empty until it is there.
        idle: whether the kernel has said that no output follows.
        patience: ends the wait for the second of these, once the first is there.
    """

    cell: Any
    index: int
    reply: Mapping[str, Any] = field(default_factory=dict)
    idle: bool = False
    patience: asyncio.TimerHandle | None = None

    @property
    def done(self) -> bool:
        """Whether both have come."""
        return self.idle and bool(self.reply)
