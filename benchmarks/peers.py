"""Daybook and its peers as commands, all in `.venv-bench`, where they run on the same versions of Jupyter's packages."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import CHECKOUT
from processes import Cost, cost

ENVIRONMENT = CHECKOUT / ".venv-bench"
BIN = ENVIRONMENT / "bin"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}

JUPYTER = "jupyter execute"
PAPERMILL = "papermill"
PLOOMBER = "ploomber-engine"
DAYBOOK = "daybook execute"


def make_environment() -> None:
    """Makes `.venv-bench` from its lock, unless it stands already."""
    subprocess.run([sys.executable, str(CHECKOUT / "scripts" / "setup.py"), "--bench"], check=True)


def a_notebook(path: Path, sources: Sequence[str]) -> Path:
    """A notebook of code cells."""
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(sources)
    ]
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": KERNEL}, "cells": cells}
    path.write_text(json.dumps(document))
    return path


@dataclass(frozen=True)
class Peers:
    """The commands that execute one notebook.

    Attributes:
        notebook: which.
        folder: takes what they leave.
    """

    notebook: Path
    folder: Path

    def jupyter(self) -> Cost:
        """`jupyter execute`."""
        return self._cost(["jupyter", "execute", str(self.notebook), f"--output={self.folder / 'jupyter'}"])

    def papermill(self) -> Cost:
        """`papermill`, which saves after every cell."""
        return self._cost(["papermill", str(self.notebook), str(self.folder / "papermill.ipynb")])

    def ploomber(self) -> Cost:
        """`ploomber-engine`, which runs the cells in its own process: there is no kernel to be started or talked to."""
        # Nothing is sent to its makers, and the network is not in the figures.
        quiet = {"PLOOMBER_STATS_ENABLED": "false", "PLOOMBER_VERSION_CHECK_DISABLED": "true"}
        return self._cost(["ploomber-engine", str(self.notebook), str(self.folder / "ploomber.ipynb")], quiet)

    def daybook(self, output: str) -> Cost:
        """`daybook execute NOTEBOOK --output …`."""
        return self._cost(["daybook", "execute", str(self.notebook), "--output", output])

    def daybook_as_a_pod(self, output: str, number: int, variables: Mapping[str, str] | None = None) -> Cost:
        """`daybook execute` as a pod runs it, with the request in its environment."""
        request = {
            "run_id": f"20130101T000000Z-benchmark-{number:010x}",
            "notebook": {"id": "benchmark", "source": str(self.notebook)},
            "output": output,
        }
        return self._cost(["daybook", "execute"], {**(variables or {}), "DAYBOOK_REQUEST": json.dumps(request)})

    def _cost(self, command: list[str], variables: Mapping[str, str] | None = None) -> Cost:
        path = {"PATH": f"{BIN}:/usr/bin:/bin", "IPYTHONDIR": str(self.folder / "ipython")}
        return cost([str(BIN / command[0]), *command[1:]], self.folder, {**path, **(variables or {})})
