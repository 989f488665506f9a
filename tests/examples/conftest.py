"""Whole runs of the examples through the runner, and runs of their cells in this process where a kernel is not needed.

Both use the notebooks as they lie in the repository.
"""

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import pytest

from daybook.contract.errors import ExitCode
from daybook.contract.manifest import Manifest
from daybook.runner.main import run_from_arguments

INCLUDE = Path(__file__).parents[2] / "include"


@dataclass(frozen=True)
class Run:
    """What a run left behind."""

    exit_code: ExitCode
    folder: Path
    said: str

    @property
    def manifest(self) -> Manifest:
        return Manifest.from_json((self.folder / "manifest.json").read_bytes())

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """Whatever the cells wrote to standard error, warnings among it."""
        cells = json.loads((self.folder / "notebook.ipynb").read_text())["cells"]
        return [each for cell in cells for each in cell.get("outputs", []) if each.get("name") == "stderr"]

    @property
    def pictures(self) -> int:
        """How many pictures the notebook shows."""
        cells = json.loads((self.folder / "notebook.ipynb").read_text())["cells"]
        return sum("image/png" in each.get("data", {}) for cell in cells for each in cell.get("outputs", []))


@pytest.fixture(scope="module")
def execute(tmp_path_factory) -> Callable[..., Run]:
    """Executes an example as `daybook execute` does, with the values of its inputs as JSON."""

    def run(notebook: str, environment: dict[str, str] | None = None, **values: Any) -> Run:
        folder = tmp_path_factory.mktemp("run")
        parameters = folder / "parameters.json"
        parameters.write_text(json.dumps(values))
        stream = io.StringIO()
        exit_code = run_from_arguments(
            str(INCLUDE / notebook),
            str(folder / "record"),
            parameters,
            environment={**os.environ, **(environment or {})},
            stream=stream,
        )
        return Run(exit_code, folder / "record", stream.getvalue())

    return run


@pytest.fixture
def cells(tmp_path, monkeypatch) -> Callable[..., dict[str, Any]]:
    """Runs an example's cells in this process, outputs going to `tmp_path`, and returns its variables."""
    matplotlib.use("Agg")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    monkeypatch.setenv("DAYBOOK_OUTPUTS", str(tmp_path))
    monkeypatch.setenv("DAYBOOK_RESULTS", str(tmp_path / ".results"))

    def run(notebook: str, until: str = "", **values: Any) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for cell in nbformat.read(INCLUDE / notebook, as_version=4).cells:
            if cell.cell_type == "code":
                source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
                exec(compile(source, cell.id, "exec"), names)
                if "parameters" in cell.metadata.get("tags", []):
                    names.update(values)
            if cell.id == until:
                break
        return names

    return run


@pytest.fixture
def results(tmp_path) -> Callable[[], dict[str, Any]]:
    """What the cells recorded so far."""

    def read() -> dict[str, Any]:
        events = [json.loads(line) for line in (tmp_path / ".results").read_text().splitlines()]
        return {event["name"]: event["value"] for event in events}

    return read
