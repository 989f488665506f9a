"""Our own Python in a context: what files, records and the kernel itself need done on the driver."""

from __future__ import annotations

from databricks.sdk.service.compute import Results

from daybook.databricks.cell_errors import cell_error
from daybook.databricks.commands import Command
from daybook.databricks.context import Context
from daybook.databricks.errors import RemoteFailed
from daybook.databricks.interruption import Interrupted


class InContext:
    """Runs internal code in a context; see `daybook.databricks.model.Remote`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def run_python(self, code: str, *, limit_seconds: float | None = None) -> str:
        """See `daybook.databricks.model.Remote`."""
        told = Command(self._context).run(code, limit_seconds or self._context.limits.command)
        if told.interrupted:
            raise Interrupted  # meant was the cell, of which this is a step: it must not go on
        results = told.results or Results()
        if told.failed:
            error = cell_error(results)
            raise RemoteFailed(f"{error.name}: {error.value}")
        return results.data if isinstance(results.data, str) else ""
