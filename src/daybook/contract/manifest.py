"""The manifest: the JSON record of a run. The run is what its manifest says."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue

from daybook.contract.errors import ExitCode
from daybook.contract.images import image_digest
from daybook.contract.request import AirflowCoordinates, Frozen, RunRequest
from daybook.contract.sources import shown
from daybook.contract.text import storable

MANIFEST_VERSION: Literal[1] = 1
MAX_ATTEMPTS = 1_000_000
"""More than any run has. Whoever counts with an attempt's number need not fear what a notebook wrote in its place."""
TRACEBACK_TAIL_CHARACTERS = 8_000
"""How much of a traceback the manifest holds; the executed notebook has all of it."""


class State(StrEnum):
    """The state of a run."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"


FINAL_STATES = frozenset({State.SUCCEEDED, State.FAILED, State.INTERRUPTED, State.LOST})


class Reason(StrEnum):
    """Why a run did not succeed."""

    # What the runner sees.
    CELL_ERROR = "cell_error"
    CELL_TIMEOUT = "cell_timeout"
    RUN_TIMEOUT = "run_timeout"
    EARLY_EXIT = "early_exit"
    KERNEL_DIED = "kernel_died"
    OUT_OF_MEMORY = "out_of_memory"
    KERNEL_UNAVAILABLE = "kernel_unavailable"
    INVALID_REQUEST = "invalid_request"
    STORE_FAILED = "store_failed"
    TERMINATED = "terminated"
    INTERNAL_ERROR = "internal_error"
    # The same of a cluster that executes the cells.
    CLUSTER_UNAVAILABLE = "cluster_unavailable"
    CONTEXT_LOST = "context_lost"
    # What the operator sees of a pod whose runner could not say it.
    CANCELLED = "cancelled"
    IMAGE_UNAVAILABLE = "image_unavailable"
    UNSCHEDULABLE = "unschedulable"
    CANNOT_START = "cannot_start"
    POD_REFUSED = "pod_refused"
    CREDENTIALS_REFUSED = "credentials_refused"
    EVICTED = "evicted"
    NODE_LOST = "node_lost"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    POD_GONE = "pod_gone"
    POD_FAILED = "pod_failed"
    NEVER_SEALED = "never_sealed"


class CellState(StrEnum):
    """What became of a code cell."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"
    NOT_RUN = "not_run"
    RUNNING = "running"


class CellCounts(Frozen):
    """How many code cells there are and what became of them; `current` is the index of the running one."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    interrupted: int = 0
    skipped: int = 0
    not_run: int = 0
    current: int | None = Field(default=None, description="index in the notebook, from 0, of the cell that runs now")


class CellError(Frozen):
    """The cell that ended the run."""

    cell: int | None = Field(default=None, description="index in the notebook, from 0; None when no cell was at fault")
    name: str = Field(description="exception class, or the reason where there is no exception")
    value: str = ""
    source: str = Field(default="", description="the cell's source")
    traceback: str = Field(default="", description="the traceback's tail, without terminal colours")


class Timings(Frozen):
    """When things happened: ISO 8601, UTC."""

    queued_at: str | None = None
    started_at: str | None = None
    updated_at: str | None = None
    finished_at: str | None = None
    duration_seconds: float | None = Field(default=None, description="from start to finish of the attempt")


class NotebookRecord(Frozen):
    """The notebook as it was fetched."""

    id: str
    title: str | None = None
    source: str
    sha256: str | None = None


class KernelRecord(Frozen):
    """The kernel that executed the cells."""

    name: str
    language: str | None = None
    language_version: str | None = None


class SparkRecord(Frozen):
    """The Spark application the notebook used."""

    remote: str | None = Field(default=None, description="the Connect server's address, without token")
    application_id: str | None = None
    version: str | None = None
    ui: str | None = None


class DatabricksCommand(Frozen):
    """A cell's command on the cluster."""

    cell: int = Field(description="index in the notebook, from 0")
    command_id: str


class DatabricksRecord(Frozen):
    """The Databricks cluster that executed the cells."""

    host: str | None = None
    cluster_id: str | None = None
    runtime_version: str | None = Field(default=None, description="of the Databricks Runtime, as the cluster names it")
    spark_version: str | None = None
    context_id: str | None = Field(default=None, description="the execution context; the last one, if several")
    driver_log: str | None = Field(default=None, description="page with the log of the cluster's driver")
    commands: tuple[DatabricksCommand, ...] = Field(default=(), description="of the cells, in the order they ran")


def _not_climbing(path: str) -> str:
    """Browsers and other tools resolve `..` before they ask for what lies at a path: it would lead out of the run."""
    if {".", ".."} & set(path.split("/")):
        raise ValueError("must not hold `.` or `..`")
    return path


class Output(Frozen):
    """A file that the notebook wrote into its outputs folder."""

    path: Annotated[str, AfterValidator(_not_climbing)] = Field(description="relative to the outputs folder, POSIX")
    key: str = Field(description="relative to the run's prefix")
    size: int = Field(description="bytes")
    sha256: str
    media_type: str
    preview: str | None = Field(
        default=None, description="key of a small look into a table (`TablePreview`), relative to the run's prefix"
    )


class SideFile(Frozen):
    """Output of one cell that was too large for the notebook, which links to this file instead."""

    cell: int = Field(description="index in the notebook, from 0")
    key: str = Field(description="relative to the run's prefix")
    size: int = Field(description="bytes")
    sha256: str
    media_type: str


class ResourceUse(Frozen):
    """What the attempt took; None for what this machine does not tell."""

    peak_memory_bytes: int | None = Field(default=None, description="most memory that its processes held at one time")
    memory_limit_bytes: int | None = Field(default=None, description="how much they were allowed to hold")
    cpu_seconds: float | None = Field(default=None, description="user and system time of runner, kernel and children")
    bytes_in: int | None = Field(default=None, description="read by the runner: the notebook")
    bytes_out: int | None = Field(default=None, description="written by the runner to the bucket before the seal")


class Files(Frozen):
    """The newest attempt's files, relative to the run's prefix; None for one that is not there."""

    notebook: str | None = None
    html: str | None = None
    log: str | None = None
    source: str | None = None


class Manifest(Frozen):
    """The record of a run, as of its newest attempt."""

    schema_version: Literal[1] = MANIFEST_VERSION
    run_id: str
    attempt: int = Field(default=1, ge=1, le=MAX_ATTEMPTS)
    state: State
    reason: Reason | None = None
    message: str | None = Field(default=None, description="one clear sentence for whoever must act")
    sealed: bool = Field(default=False, description="once true, nothing of this attempt changes any more")
    sealed_by: Literal["runner", "operator", "sweeper"] | None = None
    exit_code: int | None = None
    notebook: NotebookRecord
    workspace: str
    user: str | None = None
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict)
    timings: Timings = Timings()
    cells: CellCounts = CellCounts()
    error: CellError | None = None
    image: str | None = None
    image_digest: str | None = Field(default=None, description="`sha256:…` of the image that ran, where it is known")
    pod_uid: str | None = Field(default=None, description="of the attempt's pod: no other pod is ever taken for it")
    kernel: KernelRecord | None = None
    packages: dict[str, str] = Field(default_factory=dict)
    spark: SparkRecord | None = None
    databricks: DatabricksRecord | None = None
    resources: ResourceUse | None = None
    outputs: tuple[Output, ...] = ()
    side_files: tuple[SideFile, ...] = ()
    results: dict[str, JsonValue] = Field(default_factory=dict)
    files: Files = Files()
    airflow: AirflowCoordinates | None = None

    def to_json(self) -> str:
        """The document as it is stored: indented, for people read it too; always valid JSON, always UTF-8.

        A record must never fail to be written over what a notebook put into it: a number that is not finite becomes
        null, half a surrogate pair a question mark.
        """
        return json.dumps(_storable(self.model_dump()), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def of(cls, request: RunRequest, state: State, timings: Timings, files: Files | None = None) -> Manifest:
        """The manifest of an attempt of which nothing but its request is known."""
        return cls(
            run_id=request.run_id,
            attempt=request.attempt,
            state=state,
            notebook=NotebookRecord(
                id=request.notebook.id,
                title=request.notebook.title,
                source=shown(request.notebook.source),
                sha256=request.notebook.sha256,
            ),
            workspace=request.workspace,
            user=request.user,
            parameters=request.parameters,
            secrets=request.secrets,
            timings=timings,
            image=request.image,
            image_digest=image_digest(request.image),
            files=files or Files(),
            airflow=request.airflow,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Reads a stored document back.

        Raises:
            pydantic.ValidationError: it is not a manifest of this version.
        """
        return cls.model_validate_json(text)

    @property
    def succeeded(self) -> bool:
        """A run succeeded only if its sealed manifest says so."""
        return self.sealed and self.state is State.SUCCEEDED


EXIT_CODES: dict[State, ExitCode] = {
    State.SUCCEEDED: ExitCode.SUCCEEDED,
    State.FAILED: ExitCode.NOTEBOOK_FAILED,
    State.INTERRUPTED: ExitCode.INTERRUPTED,
    State.LOST: ExitCode.INFRASTRUCTURE_FAILED,
}

_EXIT_CODES_BY_REASON: dict[Reason, ExitCode] = {
    Reason.INVALID_REQUEST: ExitCode.INVALID_REQUEST,
    Reason.STORE_FAILED: ExitCode.INFRASTRUCTURE_FAILED,
    Reason.KERNEL_UNAVAILABLE: ExitCode.INFRASTRUCTURE_FAILED,
    Reason.INTERNAL_ERROR: ExitCode.INFRASTRUCTURE_FAILED,
    Reason.CLUSTER_UNAVAILABLE: ExitCode.INFRASTRUCTURE_FAILED,
    Reason.IMAGE_UNAVAILABLE: ExitCode.INFRASTRUCTURE_FAILED,
    Reason.UNSCHEDULABLE: ExitCode.INFRASTRUCTURE_FAILED,
    Reason.CANNOT_START: ExitCode.INFRASTRUCTURE_FAILED,
    Reason.POD_REFUSED: ExitCode.INFRASTRUCTURE_FAILED,
    Reason.CREDENTIALS_REFUSED: ExitCode.INFRASTRUCTURE_FAILED,
    Reason.POD_FAILED: ExitCode.INFRASTRUCTURE_FAILED,
}


def exit_code_for(state: State, reason: Reason | None) -> ExitCode:
    """The exit code that goes with a final state; state, reason and exit code always agree.

    Raises:
        ValueError: the state is not final.
    """
    if state not in EXIT_CODES:
        raise ValueError(f"a run that is {state} has no exit code yet")
    if state is State.FAILED and reason in _EXIT_CODES_BY_REASON:
        return _EXIT_CODES_BY_REASON[reason]
    return EXIT_CODES[state]


def _storable(value: Any) -> Any:
    """The value, with what JSON or UTF-8 cannot hold replaced."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_storable(key): _storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    return value


def manifest_schema() -> dict[str, Any]:
    """JSON Schema of the manifest document."""
    return Manifest.model_json_schema()
