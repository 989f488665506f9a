"""What a Spark server that Daybook has started says of itself, in its workspace's bucket: the pages look there.

Nobody who shows it needs a right in Kubernetes for that. A server that was killed says nothing any more: what it said
last counts for `CURRENT_SECONDS`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Literal

from pydantic import AwareDatetime, Field

from daybook.contract.memory import MIB, memory_bytes
from daybook.contract.request import Frozen
from daybook.contract.spark_server import SparkSize

SPARK_STATE_VERSION: Literal[1] = 1
TELL_SECONDS: Final = 60.0
"""How often a server says that nothing has changed."""
CURRENT_SECONDS: Final = 3 * TELL_SECONDS
"""A server that has not been heard of for longer has most likely been killed."""
FORGOTTEN_SECONDS: Final = 24 * 3600.0
"""What was said longer ago is of no interest to anybody."""


class SparkState(StrEnum):
    """How a server is."""

    STARTS = "starts"
    ANSWERS = "answers"
    SILENT = "silent"
    """It has not been heard of; what it says never says so itself."""
    FAILED = "failed"


class SparkServerState(Frozen):
    """One server, as it said last."""

    schema_version: Literal[1] = SPARK_STATE_VERSION
    name: str = Field(description="of its pod")
    workspace: str
    state: SparkState
    why: str | None = Field(default=None, description="of one that failed")
    started_at: AwareDatetime
    told_at: AwareDatetime
    size: SparkSize = SparkSize()
    sessions: int | None = Field(default=None, description="that are open; None where nobody could tell")
    remote: str | None = Field(default=None, description="sc://host:port, for pods of its workspace")
    ui: str | None = Field(default=None, pattern=r"^https?://", max_length=500, description="Spark's pages")

    def seen(self, now: datetime | None = None) -> SparkServerState:
        """As it is to be shown: silent where it has not been heard of."""
        quiet = ((now or datetime.now(UTC)) - self.told_at).total_seconds()
        if self.state is SparkState.FAILED or quiet <= CURRENT_SECONDS:
            return self
        return self.model_copy(update={"state": SparkState.SILENT, "sessions": None})


def size_in_words(size: SparkSize) -> str:
    """A server's size for people."""
    own = f"{_count(size.driver_cores, 'core')}, {_memory(size.driver_memory)}"
    if not size.maximum_executors:
        return own
    most = _count(size.maximum_executors, "executor")
    return f"{own}; up to {most} of {_count(size.executor_cores, 'core')}, {_memory(size.executor_memory)}"


def _memory(amount: str | int) -> str:
    try:
        mib = memory_bytes(amount) // MIB
    except ValueError:  # notebooks can write there
        return str(amount)
    return f"{mib} MiB" if mib % 1024 else f"{mib // 1024} GiB"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"
