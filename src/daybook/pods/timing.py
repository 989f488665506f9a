"""How long the pod may take, and how long it has to end."""

from __future__ import annotations

from math import ceil
from typing import Final

from daybook.contract.request import SAVING_SECONDS, RunRequest
from daybook.workspaces import Workspace

GRACE_SECONDS: Final = 60
"""Between SIGTERM and SIGKILL: the runner interrupts the kernel, uploads what there is and seals the manifest."""

PULL_MARGIN_SECONDS: Final = 600
"""The deadline counts from when a node takes the pod, before it pulls the image: as long as the operator waits for the
pod to start. The time until a node takes it does not count."""

SEAL_MARGIN_SECONDS: Final = 300
"""The pod's deadline lies this much, and `SAVING_SECONDS` for a bucket that is away, behind the run's own time limit,
so that the runner ends the run, not Kubernetes: kernel start, upload and seal fit into it."""

MAX_RUN_SECONDS: Final = 7 * 24 * 3600
"""The time of a run for which neither request nor workspace names one; the longest that the catalogue lets one take."""

MAX_DEADLINE_SECONDS: Final = 2**31 - 1
"""Kubernetes refuses a longer deadline."""


def deadline(request: RunRequest, workspace: Workspace) -> int:
    """Seconds after which Kubernetes ends the pod whatever its runner does; there is always an end."""
    timeout = request.limits.timeout_seconds or workspace.maximum.timeout_seconds or MAX_RUN_SECONDS
    margins = PULL_MARGIN_SECONDS + SEAL_MARGIN_SECONDS + ceil(SAVING_SECONDS)
    return min(ceil(timeout) + margins, MAX_DEADLINE_SECONDS)
