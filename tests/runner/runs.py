"""Notebooks made inline, and runs of them in this process with a folder as bucket."""

import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders import a_request
from daybook.contract.errors import ExitCode
from daybook.contract.manifest import Manifest
from daybook.contract.request import NotebookSource
from daybook.runner.execute import execute


def code(source, *tags):
    """A code cell."""
    return {
        "cell_type": "code",
        "metadata": {"tags": list(tags)},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def text(source):
    """A Markdown cell."""
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def notebook_of(*cells, kernel="python3", language="python"):
    """A notebook document; cells may be given as plain code."""
    spec = {"kernelspec": {"name": kernel, "display_name": kernel, "language": language}} if kernel else {}
    made = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": spec, "cells": made}


@dataclass
class Run:
    """What a run left behind."""

    exit_code: ExitCode
    folder: Path
    said: str
    scratch: Path

    @property
    def manifest(self) -> Manifest:
        return Manifest.from_json((self.folder / "manifest.json").read_bytes())

    @property
    def notebook(self) -> dict[str, Any]:
        return json.loads((self.folder / "notebook.ipynb").read_text())

    @property
    def states(self) -> list[str]:
        """State of each code cell, as the notebook's own metadata says."""
        return [c["metadata"]["daybook"]["state"] for c in self.notebook["cells"] if c["cell_type"] == "code"]

    def printed(self, index: int) -> str:
        """What the cell at that place printed."""
        outputs = self.notebook["cells"][index]["outputs"]
        return "".join("".join(each["text"]) for each in outputs if each["output_type"] == "stream")


class Runner:
    """Runs notebooks below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scratch = root / "scratch"
        self.count = 0

    def __call__(
        self,
        *cells: Any,
        document: Any = None,
        environment: Any = None,
        patience: float = 0.0,
        saving: float | None = None,
        head_start: Any = None,
        **request: Any,
    ) -> Run:
        self.count += 1
        source = self.root / f"given{self.count}.ipynb"
        source.write_text(json.dumps(document if document is not None else notebook_of(*cells)))
        asked = {
            "notebook": NotebookSource(id="example", source=str(source)),
            "parameters": {},
            "output": (self.root / f"bucket{self.count}" / "run").as_uri(),
            **request,
        }
        stream = io.StringIO()
        made = a_request(**asked)
        variables = environment or dict(os.environ)
        code = execute(
            made,
            variables,
            scratch=self.scratch,
            stream=stream,
            patience=patience,
            saving=saving,
            head_start=head_start,
        )
        return Run(code, Path(made.output.removeprefix("file://")), stream.getvalue(), self.scratch)
