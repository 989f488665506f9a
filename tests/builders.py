"""Small builders that all tests share; each gives a whole, valid thing, of which a test changes what it is about.

They load nothing but the contract and the workspaces, so that they serve in every environment.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from daybook.contract import keys
from daybook.contract.manifest import (
    CellCounts,
    Files,
    KernelRecord,
    Manifest,
    NotebookRecord,
    Output,
    State,
    Timings,
)
from daybook.contract.request import NotebookSource, RunRequest
from daybook.workspaces import Workspace

ASKED_AT = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
RUN_ID = keys.run_id("flights_delays", ASKED_AT, "builders")
DIGEST = "0" * 64


def a_run_id(notebook: str = "flights_delays", asked_at: datetime = ASKED_AT, *identity: str) -> str:
    """The id of a run; the same for the same arguments."""
    return keys.run_id(notebook, asked_at, *identity or ("builders",))


def a_request(**changes: Any) -> RunRequest:
    """A request for one attempt of a run."""
    given: dict[str, Any] = {
        "run_id": RUN_ID,
        "notebook": NotebookSource(id="flights_delays", source="file:///notebooks/flights_delays/notebook.ipynb"),
        "parameters": {"origin": "JFK", "minimum_delay": 15},
        "workspace": "local",
        "user": "alice",
        "output": f"memory:///{keys.run_prefix(RUN_ID)}",
        "asked_at": ASKED_AT.isoformat(),
    }
    return RunRequest(**{**given, **changes})


def a_manifest(**changes: Any) -> Manifest:
    """The sealed manifest of a run that succeeded."""
    given: dict[str, Any] = {
        "run_id": RUN_ID,
        "state": State.SUCCEEDED,
        "sealed": True,
        "sealed_by": "runner",
        "exit_code": 0,
        "notebook": NotebookRecord(
            id="flights_delays",
            title="Delays of flights",
            source="file:///notebooks/flights_delays/notebook.ipynb",
            sha256=DIGEST,
        ),
        "workspace": "local",
        "user": "alice",
        "parameters": {"origin": "JFK", "minimum_delay": 15},
        "timings": Timings(
            queued_at="2026-11-23T01:02:03+00:00",
            started_at="2026-11-23T01:02:04+00:00",
            updated_at="2026-11-23T01:02:16+00:00",
            finished_at="2026-11-23T01:02:16+00:00",
            duration_seconds=12.0,
        ),
        "cells": CellCounts(total=5, succeeded=5),
        "kernel": KernelRecord(name="python3", language="python", language_version="3.11.7"),
        "results": {"mean_delay": 12.3},
        "files": Files(notebook=keys.NOTEBOOK_FILE, html=keys.HTML_FILE, log=keys.LOG_FILE, source=keys.SOURCE_FILE),
    }
    return Manifest(**{**given, **changes})


def an_output(path: str = "delays.csv", **changes: Any) -> Output:
    """An output of the first attempt, as a manifest lists it."""
    given: dict[str, Any] = {
        "path": path,
        "key": keys.AttemptKeys(1).output(path),
        "size": 3,
        "sha256": DIGEST,
        "media_type": "text/csv",
    }
    return Output(**{**given, **changes})


def a_workspace(**changes: Any) -> Workspace:
    """A workspace that everybody may use, with a bucket in memory."""
    return Workspace(**{"name": "local", "bucket": "memory:///", "members": ("*",), **changes})


def a_notebook_json(
    cells: Iterable[str | Mapping[str, Any]] = ("print('hello')",), *, parameters: str | None = None, **metadata: Any
) -> str:
    """A notebook file of code cells.

    Args:
        cells: the source of each code cell, or a whole cell.
        parameters: the source of a first cell tagged `parameters`.
        metadata: of the notebook; without any, a Python kernel is named.
    """
    built = [_cell(number, cell) for number, cell in enumerate(cells)]
    if parameters is not None:
        built.insert(0, {**_cell(len(built), parameters), "metadata": {"tags": ["parameters"]}})
    python = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata or python, "cells": built}
    return json.dumps(document, indent=1)


def _cell(number: int, cell: str | Mapping[str, Any]) -> dict[str, Any]:
    code = {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "outputs": [], "execution_count": None}
    return {**code, "source": cell} if isinstance(cell, str) else {**code, **cell}
