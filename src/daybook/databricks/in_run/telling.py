"""What the kernel tells the runner of its cluster, for the run's record: one JSON object a line, as notebooks do.

| kind | holds |
| --- | --- |
| `databricks` | `host`, `cluster_id`, `driver_log`, `context_id`, `runtime_version`, `spark_version`, as far as known |
| `databricks_command` | `execution_count` of a cell, `command_id` |
| `databricks_failure` | `execution_count` of a cell that failed for the cluster's sake, `reason` as in the manifest |
| `databricks_lost` | `what` could not be fetched from the cluster, one sentence |
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from daybook.contract.databricks import driver_log
from daybook.contract.errors import InfrastructureFailed, InvalidSettings
from daybook.contract.variables import RESULTS_VARIABLE
from daybook.databricks.errors import ContextLost, DatabricksRefused, RemoteFailed

_REASONS: tuple[tuple[type[BaseException], str | None], ...] = (
    (InvalidSettings, "invalid_request"),
    (DatabricksRefused, "credentials_refused"),
    (ContextLost, "context_lost"),
    (RemoteFailed, None),  # of the cell's own command: it may have run
    (InfrastructureFailed, "cluster_unavailable"),
)
"""The first that fits; the words are those of `contract.manifest.Reason`, which need not be loaded for them."""


class Telling:
    """Tells the runner, where there is one; a context without a run is told to nobody."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Tells nothing yet.

        Args:
            environment: the kernel's own; the runner has put the file's name into it.
        """
        self._path = environment.get(RESULTS_VARIABLE)

    @property
    def is_heard(self) -> bool:
        """Whether there is a run."""
        return bool(self._path)

    def cluster(self, host: str, cluster_id: str, **known: str | None) -> None:
        """Where the cells are executed, and what is known of it: `context_id`, `runtime_version`, `spark_version`."""
        place = {"host": host, "cluster_id": cluster_id, "driver_log": driver_log(host, cluster_id)}
        self.event({"kind": "databricks", **place, **known})

    def command(self, execution_count: int, command_id: str) -> None:
        """Which command a cell is there."""
        self.event({"kind": "databricks_command", "execution_count": execution_count, "command_id": command_id})

    def failure(self, execution_count: int, error: BaseException) -> None:
        """Why a cell could not be executed, or not to its end; what the cell itself raised is no such reason."""
        reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), None)
        if reason is not None:
            self.event({"kind": "databricks_failure", "execution_count": execution_count, "reason": reason})

    def lost(self, what: str) -> None:
        """Something of the notebook's that stays on the cluster, and is gone with it."""
        self.event({"kind": "databricks_lost", "what": what})

    def event(self, event: Mapping[str, Any]) -> None:
        """Writes one line, whole: the notebook's own come into the same file."""
        if not self._path:
            return
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, (json.dumps(event) + "\n").encode())
        finally:
            os.close(file)
