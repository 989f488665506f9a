"""What the API takes and gives."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from daybook.catalogue.run_settings import CHOOSABLE, RunSettings
from daybook.contract.manifest import CellCounts, Manifest, Reason, State
from daybook.contract.spark_server import SparkSize
from daybook.contract.spark_state import SparkState


class Model(BaseModel):
    """Base: frozen, and nothing that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    # What a request holds comes to stand in documents that other programs read.
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise ValueError("holds a number or character that JSON in UTF-8 does not") from error
    return value


Values = Annotated[dict[str, JsonValue], AfterValidator(_storable)]
_SETTINGS = {
    name: {key: text for key, text in each.items() if key == "description"}
    for name, each in RunSettings.model_json_schema()["properties"].items()
}
Link = Annotated[str, Field(description="A URL; relative to the server where no public URL is set.")]


class RunRequestBody(Model):
    """What is to be run."""

    parameters: Values = Field(default_factory=dict, description="Values by input; see the notebook's `inputs`.")
    workspace: str | None = Field(
        None, description="Where it runs; may be left out by whoever may run the notebook in one workspace only."
    )
    settings: Values = Field(
        default_factory=dict,
        description="Settings of this run; what is left out, or null, stays as the catalogue says.",
        json_schema_extra={"properties": {name: _SETTINGS[name] for name in CHOOSABLE}, "additionalProperties": False},
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"parameters": {"origin": "JFK"}, "workspace": "research", "settings": {"memory": "4Gi"}}]
        }
    )


class PinBody(Model):
    """Why a run is to be kept."""

    why: str | None = Field(None, max_length=1000, description="A sentence for whoever wonders later.")


class RunLinks(Model):
    """Where a run is found."""

    self: Link
    page: Link
    events: Link
    outputs: Link


class RunSummary(Model):
    """What a list tells of a run."""

    workspace: str = Field(description="Where it runs.")
    run_id: str = Field(description="Its id; ids of one workspace sort by the time they were asked for.")
    notebook: str = Field(description="The notebook's id.")
    title: str = Field(description="The notebook's title when it ran.")
    state: State = Field(description="Its state.")
    reason: Reason | None = Field(None, description="Why it ended so.")
    sealed: bool = Field(False, description="Whether nothing of it changes any more.")
    attempt: int = Field(0, description="The newest attempt; 0 while it waits for its first.")
    user: str | None = Field(None, description="On whose behalf it runs.")
    asked_at: datetime = Field(description="When it was asked for.")
    finished_at: datetime | None = Field(None, description="When it ended.")
    duration_seconds: float | None = Field(None, description="Seconds from start to finish of the attempt.")
    links: RunLinks


class RunDocument(RunSummary):
    """A run, with its record."""

    message: str | None = Field(None, description="One sentence for whoever must act.")
    cells: CellCounts = Field(CellCounts(), description="Code cells, and what became of them.")
    record: Manifest | None = Field(None, description="The run's record as it is in the bucket; none while it waits.")


class RunList(Model):
    """Some runs, the newest first."""

    runs: list[RunSummary] = Field(description="Runs that have a record, the newest first.")
    waiting: list[RunSummary] = Field(
        default_factory=list, description="Runs that Airflow has taken and that have no record yet; on the first page."
    )
    next: Link | None = Field(None, description="The next page; none after the last.")
    is_complete: bool = Field(description="False while older runs are still being read from the buckets.")
    not_refreshed: list[str] = Field(
        default_factory=list, description="Workspaces whose buckets do not answer, so that newer runs may be missing."
    )


class OutputDocument(Model):
    """A file that the notebook wrote."""

    path: str = Field(description="Relative to the outputs folder.")
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="Of its content; 64 hex digits.")
    media_type: str
    url: Link


class OutputList(Model):
    """The outputs of a run's newest attempt."""

    outputs: list[OutputDocument]


class PinDocument(Model):
    """That retention leaves a run alone."""

    by: str | None = Field(None, description="Who wants it.")
    at: str | None = Field(None, description="Since when; ISO 8601, UTC.")
    why: str | None = Field(None, description="Why.")


class NotebookLinks(Model):
    """Where a notebook is found, checked and run."""

    self: Link
    page: Link
    validate_: Link = Field(alias="validate")
    runs: Link

    model_config = ConfigDict(populate_by_name=True)


class NotebookSummary(Model):
    """What a list tells of a notebook."""

    id: str = Field(description="Its id.")
    title: str
    description: str = ""
    collections: list[str] = Field(default_factory=list, description="Data collections that it works on.")
    tags: list[str] = Field(default_factory=list, description="Words to find it by.")
    workspaces: list[str] = Field(description="Where you may run it.")
    links: NotebookLinks


class NotebookDocument(NotebookSummary):
    """A notebook that can be run."""

    markdown: str = Field("", description="A longer text, in Markdown.")
    inputs: dict[str, Any] = Field(description="JSON Schema (2020-12) of `parameters`.")
    settings: dict[str, Any] = Field(description="How it runs unless something else is chosen.")
    choosable: list[str] = Field(description="The settings that may be chosen for one run.")
    next_run: datetime | None = Field(None, description="When it runs next by itself.")


class NotebookList(Model):
    """Some notebooks, in the order of the catalogue."""

    notebooks: list[NotebookSummary]
    total: int = Field(description="How many there are on all pages.")
    next: Link | None = Field(None, description="The next page; none after the last.")


class CheckedRequest(Model):
    """A request that can be run."""

    notebook: str
    workspace: str
    parameters: dict[str, Any] = Field(description="As the notebook gets them, with defaults.")
    settings: dict[str, Any] = Field(default_factory=dict, description="The settings that were chosen.")


class Part(Model):
    """One of the things that Daybook needs."""

    is_ready: bool
    detail: str = Field("", description="What is wrong.")


class Buckets(Part):
    """The buckets of all workspaces."""

    total: int = Field(0, description="How many there are.")
    reachable: int = Field(0, description="How many answered in time.")
    unreachable: list[str] = Field(default_factory=list, description="Those of your workspaces that did not answer.")


class Live(Model):
    """That the process answers."""

    is_live: bool = True


class Ready(Model):
    """Whether requests can be served."""

    is_ready: bool
    workspaces: Part
    catalogue: Part
    buckets: Buckets


class SparkServerDocument(Model):
    """A Spark server that Daybook has started, as it said last."""

    name: str = Field(description="Its pod's.")
    state: SparkState
    why: str | None = Field(description="Of one that failed.")
    started_at: datetime
    told_at: datetime = Field(description="When it was heard of last.")
    size: SparkSize
    sessions: int | None = Field(description="That are open on it; null where it has not told.")
    remote: str | None = Field(description="Where pods of its workspace reach it.")
    ui: str | None = Field(description="Spark's own pages, as reached from the workspace's network.")


class SparkDocument(Model):
    """A workspace's Spark."""

    workspace: str
    kind: Literal["server", "remote", "none"] = Field(
        description="`server`: Daybook starts one when a run needs it. `remote`: others run it. `none`: there is none."
    )
    remote: str | None = Field(description="The address of one that others run.")
    ui: str | None = Field(description="The pages of one that others run.")
    servers: list[SparkServerDocument] = Field(description="Those that Daybook has started, the newest first.")
    trouble: str | None = Field(description="Why nothing is known of them now.")


class SparkList(Model):
    """The Spark of the workspaces that you may see."""

    workspaces: list[SparkDocument]
