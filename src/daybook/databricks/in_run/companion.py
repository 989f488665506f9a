"""What goes along with a notebook to its cluster: `daybook.notebook` as it is here, and in a run its folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from daybook.contract import variables
from daybook.databricks.errors import DatabricksFailed
from daybook.databricks.in_run.asking import NotThere, ask, begin
from daybook.databricks.in_run.fetching import Fetch, OutOfTime
from daybook.databricks.in_run.recorded import Recorded
from daybook.databricks.in_run.telling import Telling
from daybook.databricks.interruption import Interrupted
from daybook.databricks.model import Remote

BEGIN_SECONDS = 60.0
"""For the short command that brings our side there."""
REMOVE_SECONDS = 4.0
"""Kept of the time at the end for leaving no folder behind."""
FRESH_SECONDS = 10.0
"""With less time than this, no other context is opened to fetch what the notebook's own does not give any more."""
_HANDED_ON = (
    variables.WORKSPACE_VARIABLE,
    variables.RUN_VARIABLE,
    variables.NOTEBOOK_VARIABLE,
    variables.USER_VARIABLE,
)
"""What `daybook.notebook.workspace()` reads. Nothing else of the environment here is anybody's business there."""
_SENT = {
    "daybook.contract.variables": "daybook.contract.variables",
    "daybook.notebook_on_cluster": "daybook.databricks.in_run.notebook_on_cluster",
    "daybook.notebook": "daybook.notebook",
}
"""Modules on the cluster, by the modules here that their source is read from; without importing those."""
_OTHERWISE = "\nfrom daybook.notebook_on_cluster import get_spark_session, secret\n"
"""What stands at the end of `daybook.notebook` there."""


class Companion:
    """Goes along with one kernel's context; where that is replaced, it begins anew in the next, in the same folder."""

    def __init__(self, environment: Mapping[str, str], telling: Telling) -> None:
        """Sends nothing yet.

        Args:
            environment: the kernel's own.
            telling: takes what is lost.
        """
        self._outputs = environment.get(variables.OUTPUTS_VARIABLE)
        self._results = environment.get(variables.RESULTS_VARIABLE)
        self._variables = {name: environment[name] for name in _HANDED_ON if environment.get(name)}
        self._recorded = Recorded(Path(str(self._results)))
        self._telling = telling
        self._folder: str | None = None
        self._deadline = math.inf

    @property
    def is_in_run(self) -> bool:
        """Whether there is a runner that wants outputs and results."""
        return bool(self._outputs and self._results)

    def begin(self, remote: Remote) -> Mapping[str, str | None]:
        """Makes `daybook.notebook` importable in a fresh context, and outputs and results possible.

        Returns:
            What is known of the cluster then: `python`, `runtime` and `spark` versions; None for what it does not tell.

        Raises:
            RemoteFailed: the cluster did not take it.
        """
        given = {"modules": _modules(), "variables": self._variables, "in_run": self.is_in_run, "folder": self._folder}
        found = begin(remote, BEGIN_SECONDS, **given)
        told = {name: _text_or_none(found, name) for name in ("python", "runtime", "spark", "folder")}
        self._folder = told.pop("folder") if self.is_in_run else None
        return told

    def hurry(self, seconds: float) -> None:
        """Leaves so much time and no more, for a `leave` that is under way too; from any thread."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def leave(self, remote: Remote | None, fresh: Callable[[], AbstractContextManager[Remote]], seconds: float) -> None:
        """Fetches results and outputs, and removes the folder; what cannot be fetched is told of, never raised.

        Args:
            remote: the notebook's context; None where it cannot be used any more.
            fresh: opens another one on the same cluster, in which the folder is to be found too.
            seconds: all of it may take.
        """
        if self._folder is None:
            return
        self.hurry(seconds)
        try:
            if remote is None or not self._left(remote):
                with fresh() as other:
                    self.begin(other)
                    self._fetch_and_remove(other)
        except (DatabricksFailed, Interrupted, OSError) as error:
            with suppress(OSError):  # the disk here is full: then there is no telling either
                self._telling.lost(f"outputs or results that are still on the cluster: {error or 'interrupted'}")

    def _left(self, remote: Remote) -> bool:
        """Whether the notebook's own context still served; a new process in it does not know us."""
        try:
            self._fetch_and_remove(remote)
        except NotThere:
            self.begin(remote)
            self._fetch_and_remove(remote)
        except (DatabricksFailed, Interrupted):
            if self._time_left() < FRESH_SECONDS:
                raise
            return False
        return True

    def _fetch_and_remove(self, remote: Remote) -> None:
        fetch = Fetch(remote, lambda: self._time_left() - REMOVE_SECONDS, self._telling.lost)
        try:
            fetch.results(self._recorded)
            fetch.outputs(Path(str(self._outputs)))
        except OutOfTime as error:
            self._telling.lost(f"outputs or results that are still on the cluster: {error}")
        self._remove(remote)

    def _time_left(self) -> float:
        return self._deadline - time.monotonic()

    def _remove(self, remote: Remote) -> None:
        folder, self._folder = self._folder, None
        try:
            ask(remote, "remove", REMOVE_SECONDS)
        except DatabricksFailed as error:
            self._telling.lost(f"the folder {folder} on the cluster's driver, which is still there: {error}")


def _modules() -> dict[str, str]:
    """Sources by the names they have there; packages, which are empty, come first."""
    packages = sorted({name.rpartition(".")[0] for name in _SENT} | {"daybook"})
    sources = {name: _source(origin) for name, origin in _SENT.items()}
    sources["daybook.notebook"] += _OTHERWISE
    return {**dict.fromkeys(packages, ""), **sources}


def _source(module: str) -> str:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{module} is not there: Daybook is not whole")
    return Path(spec.origin).read_text("utf-8")


def _text_or_none(found: Any, name: str) -> str | None:
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) else None
