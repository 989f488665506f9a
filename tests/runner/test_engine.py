"""The engine under papermill's own command line, and what papermill gets to import."""

import json
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

from runner.runs import notebook_of


def papermill(tmp_path, *cells):
    """What `papermill --engine daybook in.ipynb out.ipynb` does, wherever the entry point is installed or not."""
    (tmp_path / "in.ipynb").write_text(json.dumps(notebook_of(*cells)))
    code = (
        "from daybook.runner.engine import DaybookEngine; from papermill.engines import papermill_engines as engines; "
    )
    code += "engines.register('daybook', DaybookEngine); from papermill.__main__ import papermill; papermill()"
    arguments = ["--engine", "daybook", "--no-progress-bar", "-p", "a", "1", "in.ipynb", "out.ipynb"]
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    return ended, json.loads((tmp_path / "out.ipynb").read_text())


def test_the_entry_point_names_it():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, name = project["entry-points"]["papermill.engine"]["daybook"].split(":")
    assert hasattr(getattr(import_module(module), name), "execute_notebook")


def test_papermill_can_name_it_as_its_engine(tmp_path):
    ended, notebook = papermill(tmp_path, "print('by papermill', a)")
    assert ended.returncode == 0, ended.stderr
    assert "by papermill 1" in str(notebook["cells"][1]["outputs"])
    assert notebook["cells"][1]["metadata"]["papermill"]["status"] == "completed"


def test_papermill_fails_when_the_kernel_dies_and_later_cells_are_not_completed(tmp_path):
    ended, notebook = papermill(tmp_path, "import os; os.kill(os.getpid(), 9)", "2")
    assert ended.returncode != 0
    statuses = [cell["metadata"]["papermill"]["status"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert statuses == ["completed", "failed", "pending"]
