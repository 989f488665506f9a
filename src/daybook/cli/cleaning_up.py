"""Cleaning up from the command line: telling what would go, and asking Airflow to do it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from daybook.cli.airflow_api import AirflowApi, DagRun
from daybook.cli.settings import Settings
from daybook.contract.errors import StoreFailed
from daybook.contract.keys import CLEAN_UP_DAG
from daybook.retention.applying import apply_retention
from daybook.retention.report import Report


def dry_reports(settings: Settings, only: str | None, say: Callable[[str], None]) -> list[Report]:
    """What retention would remove, workspace by workspace, with the caller's own credentials.

    A workspace whose bucket does not answer has a failure in its report; the others are told all the same.

    Raises:
        InvalidRequest: there is no such workspace.
    """
    workspaces = settings.load_workspaces()
    reports = []
    for workspace in [workspaces.get(only)] if only is not None else workspaces:
        report = Report(workspace.name, dry_run=True, say=say)
        try:
            apply_retention(workspace, settings.open_bucket(workspace), report, datetime.now(UTC))
        except StoreFailed as error:
            report.fail(str(error))
        reports.append(report)
    return reports


def swept_by_airflow(settings: Settings, only: str | None) -> DagRun:
    """Triggers the DAG `clean_up`.

    Raises:
        InvalidRequest: there is no such workspace, or Airflow refuses.
        InfrastructureFailed: Airflow does not answer.
    """
    if only is not None:
        settings.load_workspaces().get(only)
    with AirflowApi(settings.api()) as api:
        return api.trigger(CLEAN_UP_DAG, {} if only is None else {"workspace": only})
