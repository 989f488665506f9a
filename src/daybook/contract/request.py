"""The `RunRequest`: what Airflow asks a pod to do, as one JSON document without a secret in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.variables import (
    NOTEBOOK_VARIABLE,
    OUTPUTS_VARIABLE,
    REQUEST_VARIABLE,
    RESULTS_VARIABLE,
    RUN_VARIABLE,
    SECRET_VARIABLE_PREFIX,
    SPARK_REMOTE_VARIABLE,
    SPARK_TOKEN_VARIABLE,
    USER_VARIABLE,
    WORKSPACE_VARIABLE,
)

__all__ = [
    "DEFAULT_CELL_OUTPUT_BYTES",
    "DEFAULT_OUTPUT_BYTES",
    "DEFAULT_TIMEOUT_SECONDS",
    "MAX_REQUEST_BYTES",
    "NOTEBOOK_VARIABLE",
    "OUTPUTS_VARIABLE",
    "REQUEST_VARIABLE",
    "REQUEST_VERSION",
    "RESULTS_VARIABLE",
    "RUN_VARIABLE",
    "SAVING_SECONDS",
    "SECRET_VARIABLE_PREFIX",
    "SPARK_REMOTE_VARIABLE",
    "SPARK_TOKEN_VARIABLE",
    "USER_VARIABLE",
    "WORKSPACE_VARIABLE",
    "AirflowCoordinates",
    "Frozen",
    "Limits",
    "NotebookSource",
    "RunRequest",
    "request_schema",
    "require_travels",
    "require_travels_with",
]

REQUEST_VERSION: Literal[1] = 1
MAX_REQUEST_BYTES = 96 * 1024
"""Linux takes at most 128 KiB for one environment variable; the rest is room for its name and escapes."""

SAVING_SECONDS = 3600.0
"""How long the runner in a pod goes on trying to save what its notebook made, should the bucket fail: a pod that has
ended loses it. The pod's deadline leaves so much time."""

DEFAULT_TIMEOUT_SECONDS = 3600.0
DEFAULT_CELL_OUTPUT_BYTES = 10 * 2**20
"""How much text of one cell, and how much of its images and HTML, the notebook itself holds."""
DEFAULT_OUTPUT_BYTES = 50 * 2**20
"""The same for all cells together."""


class Frozen(BaseModel):
    """Base of the contract's models: immutable, and strict about unknown fields so that versions cannot drift apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NotebookSource(Frozen):
    """Which notebook to run and where its bytes lie."""

    id: str
    source: str = Field(description="path, file://, http(s):// or s3:// URL of the .ipynb file")
    sha256: str | None = Field(default=None, description="hex digest that the fetched bytes must have")
    title: str | None = None
    kernel: str | None = Field(default=None, description="kernel name that overrides the notebook's own")


class Limits(Frozen):
    """How long things may take, in seconds, and how much output a notebook may hold, in bytes.

    None means no limit of its own. Text counts against one pair of output limits, images and HTML against another of
    the same size; what is beyond goes to side files.
    """

    timeout_seconds: float | None = Field(default=DEFAULT_TIMEOUT_SECONDS, gt=0, allow_inf_nan=False)
    cell_timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    cell_output_bytes: int = Field(default=DEFAULT_CELL_OUTPUT_BYTES, gt=0)
    output_bytes: int = Field(default=DEFAULT_OUTPUT_BYTES, gt=0)
    memory_bytes: int | None = Field(
        default=None, gt=0, description="what runner and kernel may hold together, where no control group limits them"
    )


class AirflowCoordinates(Frozen):
    """Where a run stands in Airflow."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = 1
    run_type: str | None = None
    logical_date: str | None = None
    data_interval_start: str | None = None
    data_interval_end: str | None = None


class RunRequest(Frozen):
    """One request to execute a notebook with parameters in a workspace on behalf of a user."""

    # A parameter may be NaN or infinite: it travels so between our own two ends, where JSON for everybody has null.
    model_config = ConfigDict(ser_json_inf_nan="constants")

    version: Literal[1] = REQUEST_VERSION
    run_id: str
    attempt: int = Field(default=1, ge=1)
    notebook: NotebookSource
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(
        default_factory=dict, description="secret inputs: name to key in the workspace's Secret, never a value"
    )
    settings: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="settings that were chosen for this run alone; what they lead to stands beside",
    )
    workspace: str = "local"
    user: str | None = None
    output: str = Field(description="URL of the run's prefix: everything about the run is written below it")
    limits: Limits = Limits()
    may_end_early: bool = Field(default=False, description="whether a cell may end the notebook by exit() or quit()")
    image: str | None = None
    asked_at: str | None = Field(default=None, description="ISO 8601, UTC")
    airflow: AirflowCoordinates | None = None

    def to_json(self) -> str:
        """The document that travels; compact, and the same for equal requests.

        Null members stay: a limit of None says that there is none, where a missing one would say the default.
        """
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> RunRequest:
        """Reads a document back.

        Raises:
            pydantic.ValidationError: it is not a request of this version.
        """
        return cls.model_validate_json(text)


def require_travels_with(parameters: Mapping[str, JsonValue]) -> None:
    """Refuses parameters that no request to a pod has room for, before anybody stores them.

    Raises:
        InvalidRequest: they are too large.
    """
    require_travels(json.dumps(parameters, ensure_ascii=False, separators=(",", ":")))


def require_travels(document: str) -> None:
    """Refuses a request, or a part of one, that is too large to travel to a pod.

    Raises:
        InvalidRequest: it is.
    """
    size = len(document.encode(errors="replace"))
    if size > MAX_REQUEST_BYTES:
        message = (
            f"the parameters make a request of {size} bytes, and {MAX_REQUEST_BYTES} can travel to a pod; "
            "put large values into a file and pass its URL"
        )
        raise InvalidRequest("the request is too large", [Fault("parameters", message)])


def request_schema() -> dict[str, Any]:
    """JSON Schema of the request document."""
    return RunRequest.model_json_schema()
