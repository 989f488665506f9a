"""Following a run to its end: the manifest tells how far it is, Airflow whether it will be tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from daybook.cli.airflow_api import AirflowApi, DagRun
from daybook.contract.errors import ExitCode, InfrastructureFailed
from daybook.contract.manifest import Manifest, exit_code_for
from daybook.contract.request import AirflowCoordinates
from daybook.storage import RunRecord

_LOOK_SECONDS = 0.3
"""Between two looks at the manifest: a cell that takes longer than this is seen running."""
_ASK_SECONDS = 1.5
"""Between two questions to Airflow."""

Sink = Callable[[Manifest | None, DagRun | None], None]
"""Hears each look: the manifest when there is one yet, and the DAG run when Airflow answers."""


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        manifest: its record; None when Airflow ended it before it had one.
        error: what Airflow's task says, where there is no sealed manifest.
    """

    manifest: Manifest | None
    error: str | None = None

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of whoever waited for it: a run without a sealed manifest has not done its work."""
        if self.manifest is None or not self.manifest.sealed:
            return ExitCode.INFRASTRUCTURE_FAILED
        return exit_code_for(self.manifest.state, self.manifest.reason)


class Follower:
    """Waits for one run.

    Args:
        record: where its manifest is, or will be.
        api: where its DAG run is asked for.
        where: its task; None for a run that no Airflow started, then the manifest alone counts.
    """

    def __init__(self, record: RunRecord, api: AirflowApi | None, where: AirflowCoordinates | None) -> None:
        self._record = record
        self._api = api if where is not None else None
        self._where = where
        self._asked_at = -_ASK_SECONDS
        self._dag_run: DagRun | None = None

    def to_end(self, hear: Sink) -> Ending:
        """Waits until the run has ended, whatever that takes.

        Raises:
            StoreFailed: the bucket does not answer.
        """
        while True:
            manifest = self._record.read()
            dag_run = self._ask()
            hear(manifest, dag_run)
            if manifest is not None and manifest.succeeded:
                return Ending(manifest)
            if dag_run is not None and dag_run.finished:
                # Read once more: the record was sealed before Airflow was told.
                return self._ended(self._record.read())
            if dag_run is None and manifest is not None and manifest.sealed:
                return Ending(manifest)
            time.sleep(_LOOK_SECONDS)

    def _ask(self) -> DagRun | None:
        """The DAG run, asked for now and then; None while Airflow does not answer."""
        if self._api is not None and self._where is not None and time.monotonic() - self._asked_at >= _ASK_SECONDS:
            try:
                self._dag_run = self._api.dag_run(self._where.dag_id, self._where.run_id)
            except InfrastructureFailed:
                self._dag_run = None
            self._asked_at = time.monotonic()
        return self._dag_run

    def _ended(self, manifest: Manifest | None) -> Ending:
        if (manifest is not None and manifest.sealed) or self._api is None or self._where is None:
            return Ending(manifest)
        try:
            error = self._api.last_error(self._where.dag_id, self._where.run_id, self._where.task_id)
        except InfrastructureFailed:
            error = None
        return Ending(manifest, error)
