"""What the notebook told through `daybook.notebook`, and the kernel `databricks` of its cluster: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from daybook.contract.manifest import DatabricksCommand, DatabricksRecord, Reason, SparkRecord

MAX_LEVELS = 50
MAX_EVENT_BYTES = 1024 * 1024
"""How much of what a notebook records is kept; a manifest stays small enough to be read everywhere."""
MAX_COMMANDS = 10_000
"""How many commands are listed: more than any notebook has cells."""


_OF_CLUSTER = frozenset(
    {Reason.CREDENTIALS_REFUSED, Reason.CLUSTER_UNAVAILABLE, Reason.CONTEXT_LOST, Reason.INVALID_REQUEST}
)
"""What the kernel `databricks` may say of a cell that could not be executed, or not to its end."""

Part = TypeVar("Part", SparkRecord, DatabricksRecord)


@dataclass
class Events:
    """What was told, the last word on each thing.

    Attributes:
        results: by name.
        spark: the Spark application.
        databricks: the cluster, without its commands.
        commands: their ids by the execution count of the cell.
        failures: what failed around the cell, and not in it, by its execution count.
        lost: what could not be kept, for the log.
    """

    results: dict[str, Any] = field(default_factory=dict)
    spark: SparkRecord | None = None
    databricks: DatabricksRecord | None = None
    commands: dict[int, str] = field(default_factory=dict)
    failures: dict[int, Reason] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    _kept_bytes: int = 0

    def cluster_of(self, notebook: Any) -> DatabricksRecord | None:
        """The cluster with its commands, by the cells of an executed notebook."""
        if self.databricks is None or notebook is None:
            return self.databricks
        commands = tuple(
            DatabricksCommand(cell=index, command_id=self.commands[cell.execution_count])
            for index, cell in enumerate(notebook.cells)
            if cell.cell_type == "code" and cell.execution_count in self.commands
        )
        return self.databricks.model_copy(update={"commands": commands})

    def take(self, event: Mapping[str, Any]) -> None:
        """Takes one event; what is of no known kind, or does not fit its kind, means nothing."""
        match event:
            case {"kind": "result", "name": str(name)}:
                self._take_result(name, event)
            case {"kind": "spark"}:
                self.spark = _model(SparkRecord, event) or self.spark
            case {"kind": "databricks"}:
                self.databricks = _model(DatabricksRecord, event, self.databricks) or self.databricks
            case {"kind": "databricks_command", "execution_count": int(count), "command_id": str(command)}:
                if len(self.commands) < MAX_COMMANDS:
                    self.commands[count] = command
            case {"kind": "databricks_failure", "execution_count": int(count), "reason": str(reason)}:
                self.failures.update((count, each) for each in _OF_CLUSTER if each == reason)
            case {"kind": "databricks_lost", "what": str(what)}:
                self.lost.append(what)

    def _take_result(self, name: str, event: Mapping[str, Any]) -> None:
        self._kept_bytes += len(json.dumps(event))
        if self._kept_bytes > MAX_EVENT_BYTES:
            self.lost.append(f"result {name!r}: all results together are larger than 1 MiB")
        elif _is_deeper(event.get("value"), MAX_LEVELS):
            self.lost.append(f"result {name!r}: it is nested more than {MAX_LEVELS} levels deep")
        else:
            self.results[name] = event.get("value")


def events_of(path: Path) -> Events:
    """Everything that was told into a file; nothing where there is none."""
    events = Events()
    for event in _lines(path, events.lost):
        events.take(event)
    return events


def _lines(path: Path, lost: list[str]) -> Iterable[Mapping[str, Any]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return  # the notebook told nothing
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            event = None
        if isinstance(event, dict):
            yield event
        else:
            lost.append(f"line {number} of what the notebook recorded is not a JSON object")


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested deeper than that; readers of JSON give up at some depth."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(parts) and (levels == 0 or any(_is_deeper(part, levels - 1) for part in parts))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _model(kind: type[Part], event: Mapping[str, Any], before: Part | None = None) -> Part | None:
    """The event as that part of a manifest, over what was told before; None where it is none."""
    told = {name: event.get(name) for name in kind.model_fields}
    known = before.model_dump() if before is not None else {}
    try:
        return kind(**{**known, **{name: value for name, value in told.items() if value is not None}})
    except ValidationError:
        return None
