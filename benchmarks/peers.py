"""Daybook and its peers as commands, all in `.venv-bench`, where they run on the same versions of the packages."""

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from measure import CHECKOUT, medians, ratios, table
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
    _turn: Iterator[int] = field(default_factory=itertools.count, init=False)

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

    def daybook(self) -> Cost:
        """`daybook execute NOTEBOOK --output FOLDER`."""
        return self._cost(["daybook", "execute", str(self.notebook), "--output", self._new_folder()])

    def daybook_as_a_pod(
        self,
        output: str | None = None,
        variables: Mapping[str, str] | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Cost:
        """`daybook execute` as a pod runs it, the request in its environment; to a folder unless told otherwise."""
        request = {
            "run_id": f"20130101T000000Z-benchmark-{next(self._turn):010x}",
            "notebook": {"id": "benchmark", "source": str(self.notebook)},
            "output": output or self._new_folder(),
            "limits": limits or {},
        }
        return self._cost(["daybook", "execute"], {**(variables or {}), "DAYBOOK_REQUEST": json.dumps(request)})

    def _new_folder(self) -> str:
        return str(self.folder / f"daybook-{next(self._turn)}")

    def _cost(self, command: list[str], variables: Mapping[str, str] | None = None) -> Cost:
        path = {"PATH": f"{BIN}:/usr/bin:/bin", "IPYTHONDIR": str(self.folder / "ipython")}
        return cost([str(BIN / command[0]), *command[1:]], self.folder, {**path, **(variables or {})})


class Measured(Protocol):
    """What was measured of one command."""

    @property
    def failure(self) -> str | None:
        """What it said when it failed."""


Each = TypeVar("Each", bound=Measured)


@dataclass(frozen=True)
class Figures:
    """One figure of every candidate: of all rounds, the medians, the ratios to `jupyter execute` in the same round."""

    unit: str
    all: dict[str, list[float]]

    @classmethod
    def of(cls, costs: Mapping[str, Sequence[Each]], figure: Callable[[Each], float], unit: str = "s") -> "Figures":
        """Takes one figure out of what was measured; a command that failed has none."""
        return cls(
            unit,
            {name: [math.nan if each.failure else figure(each) for each in found] for name, found in costs.items()},
        )

    def show(self, title: str) -> None:
        """Prints the table."""
        table(title, self.unit, medians(self.all), JUPYTER, ratios(self.all, JUPYTER))

    def to_json(self) -> dict[str, Any]:
        """For the kept results."""
        return {"all": self.all, "medians": medians(self.all), "ratios": ratios(self.all, JUPYTER)}


def failures(costs: Mapping[str, Sequence[Measured]]) -> dict[str, list[str]]:
    """What failed, and how; prints it too."""
    found = {name: [each.failure for each in values if each.failure] for name, values in costs.items()}
    failed = {name: said for name, said in found.items() if said}
    for name, said in failed.items():
        print(f"  {name} failed {len(said)} of {len(costs[name])} times: {said[0]}")
    return failed
