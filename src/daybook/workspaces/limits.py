"""What a workspace's runs may have: resources, images, notebooks, numbers, and for how long their records stay."""

from __future__ import annotations

from pydantic import Field

from daybook.workspaces.fields import Amount, Pattern, Quantity
from daybook.workspaces.model import Model

DEFAULT_CPU = "1"
DEFAULT_MEMORY = "2Gi"
DEFAULT_EPHEMERAL_STORAGE = "10Gi"
"""Room for a run's working folder: notebook, outputs, logs."""
DEFAULT_RUNS_AT_ONCE = 16


class Maximum(Model):
    """The most that one run may ask for; what is not given is not limited, but for GPUs, of which there are none."""

    cpu: Amount | None = None
    memory: Amount | None = None
    ephemeral_storage: Amount | None = None
    gpu: int = Field(default=0, ge=0)
    timeout_seconds: int | None = Field(default=None, ge=1)


class Allowed(Model):
    """What may run here. A pattern has `*` for any text; it must fit the whole name."""

    images: tuple[Pattern, ...] = Field(
        default=(), description="images besides the workspace's own; pin them: registry/name@sha256:…"
    )
    sources: tuple[Pattern, ...] = Field(
        default=("*",), description="paths and URLs of notebooks; the catalogue's are all allowed unless this is given"
    )


class Retention(Model):
    """Which sealed runs are deleted: whatever is beyond any one of these. Pinned runs stay."""

    days: float | None = Field(default=None, gt=0, description="older ones")
    runs: int | None = Field(default=None, ge=1, description="all but so many of the newest")
    size: Quantity | None = Field(default=None, description="the oldest, until the others take no more than this")
