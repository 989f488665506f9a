"""How long a kernel is waited for when it is to leave off, or to end."""

from __future__ import annotations

from dataclasses import dataclass

from daybook.runner.kernels import KernelSpec


@dataclass(frozen=True)
class Waits:
    """Seconds.

    Attributes:
        wind_up: how long an interrupted cell may take to end by itself.
        shutdown: how long the kernel may take for its exit handlers, and to write out what the notebook left open.
        hurried: the same where the run was told to stop, and has a minute for everything.
    """

    wind_up: float
    shutdown: float
    hurried: float


HERE = Waits(wind_up=5.0, shutdown=15.0, hurried=5.0)
ON_CLUSTER = Waits(wind_up=8.0, shutdown=900.0, hurried=15.0)
"""Where cells are executed on a cluster: it is asked to cancel the command and to confirm that; and before the kernel
ends, it fetches what its notebook wrote there and leaves nothing of the run behind."""


def waits_for(kernel: KernelSpec) -> Waits:
    """How long that kernel is waited for."""
    return ON_CLUSTER if kernel.is_remote else HERE
