"""What is told of a run while it goes on."""

from __future__ import annotations

import json

from pydantic import Field, JsonValue

from daybook.contract.manifest import CellCounts, Manifest, Reason, SparkRecord, State, Timings
from daybook.contract.request import Frozen
from daybook.web.world import Asked

MAX_RESULTS_CHARACTERS = 64 * 1024
"""Results come with the seal; more of them than this is for the manifest's readers."""


class RunningCell(Frozen):
    """The cell that runs now, as of the notebook's last flush: up to two seconds old.

    Attributes:
        index: in the notebook, from 0.
        source: its source, cut where it is very long; None where the notebook cannot be looked at.
        printed: the last lines it printed.
    """

    index: int
    source: str | None = None
    printed: str = ""


class Progress(Frozen):
    """The state of a run, whole: who has the newest needs no older one.

    Attributes:
        run_id: the run.
        workspace: where it runs.
        state: its state.
        reason: why it ended so.
        message: one sentence for whoever must act.
        sealed: whether nothing changes any more.
        attempt: the attempt at work; 0 while there is none.
        cells: counts, and the index of the running cell.
        cell: the running cell.
        spark: its Spark, and how far that is; its operations are the record's to list.
        timings: when things happened.
        expected_seconds: how long earlier runs took.
        results: what the notebook recorded; empty where that is a lot.
        outputs: how many output files there are.
        gone: the run has no record, and Airflow does not hold it any more.
        trouble: why nothing newer is known just now, such as a bucket that does not answer.
    """

    run_id: str
    workspace: str
    state: State
    reason: Reason | None = None
    message: str | None = None
    sealed: bool = False
    attempt: int = 0
    cells: CellCounts = CellCounts()
    cell: RunningCell | None = None
    spark: SparkRecord | None = None
    timings: Timings = Timings()
    expected_seconds: float | None = None
    results: dict[str, JsonValue] = Field(default_factory=dict)
    outputs: int = 0
    gone: bool = False
    trouble: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing will follow."""
        return self.sealed or self.gone


def of_manifest(
    manifest: Manifest, workspace: str, cell: RunningCell | None, expected_seconds: float | None
) -> Progress:
    """The progress that a record tells; in whose bucket it lies, it does not say itself."""
    is_much = len(json.dumps(manifest.results)) > MAX_RESULTS_CHARACTERS
    return Progress(
        run_id=manifest.run_id,
        workspace=workspace,
        state=manifest.state,
        reason=manifest.reason,
        message=manifest.message,
        sealed=manifest.sealed,
        attempt=manifest.attempt,
        cells=manifest.cells,
        cell=cell,
        spark=manifest.spark and manifest.spark.model_copy(update={"operations": ()}),
        timings=manifest.timings,
        expected_seconds=expected_seconds,
        results={} if is_much else manifest.results,
        outputs=len(manifest.outputs),
    )


def of_waiting(asked: Asked, expected_seconds: float | None) -> Progress:
    """The progress of a run that Airflow has taken and no pod has begun."""
    return Progress(
        run_id=asked.run_id,
        workspace=asked.workspace,
        state=State.QUEUED,
        timings=Timings(queued_at=asked.asked_at.isoformat()),
        expected_seconds=expected_seconds,
    )
