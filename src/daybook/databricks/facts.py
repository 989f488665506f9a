"""What a record of the run should know of the cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """It, as far as it is known.

    Attributes:
        runtime: Databricks' version, `16.4.x-scala2.12` and the like.
        spark: its version, where the driver tells it.
    """

    host: str
    cluster_id: str
    runtime: str
    context_id: str
    spark: str | None
