"""Makes notebooks and catalogue folders inline."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def notebook_json(parameters: str | None = None, *, language: str | None = "python", **members: Any) -> str:
    """Return a notebook with one cell, and a cell tagged `parameters` before it where its code is given."""
    cells = [{"cell_type": "code", "metadata": {}, "source": ["print('hello')"], "outputs": []}]
    if parameters is not None:
        lines = parameters.splitlines(keepends=True)
        tagged = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": lines, "outputs": []}
        cells.insert(0, tagged)
    metadata = {"language_info": {"name": language}} if language else {}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells, **members}, indent=1)


@pytest.fixture
def entry(tmp_path: Path) -> Callable[..., Path]:
    """Writes `<id>/notebook.ipynb` and, where given, `<id>/spec.yaml` below `tmp_path / "notebooks"`."""

    def write(name: str, spec: str | None = None, notebook: str | None = "") -> Path:
        folder = tmp_path / "notebooks" / name
        folder.mkdir(parents=True, exist_ok=True)
        if spec is not None:
            (folder / "spec.yaml").write_text(spec, encoding="utf-8")
        if notebook is not None:
            (folder / "notebook.ipynb").write_text(notebook or notebook_json(), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The catalogue folder that `entry` writes to."""
    path = tmp_path / "notebooks"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture(name="notebook_json")
def _notebook_json() -> Callable[..., str]:
    return notebook_json
