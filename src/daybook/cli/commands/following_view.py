"""Following a run in front of a person or a program, for `run` and `show --follow`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daybook.cli.airflow_api import AirflowApi
from daybook.cli.commands.comparison_view import rerun_document, show_comparison
from daybook.cli.commands.run_views import run_document, show_run, watching
from daybook.cli.finding import Found
from daybook.cli.following import Ending, Follower
from daybook.cli.settings import Settings, run_page
from daybook.cli.terminal import Terminal
from daybook.cli.waiting import Waiting
from daybook.contract.differences import differences
from daybook.contract.manifest import Manifest
from daybook.contract.request import AirflowCoordinates
from daybook.storage import RunRecord

INTERRUPTED_BY_KEYBOARD = 130


@dataclass(frozen=True)
class Followed:
    """A run to follow.

    Attributes:
        page: where a browser sees it.
        where: its Airflow task; None for a run that no Airflow started.
    """

    run_id: str
    record: RunRecord
    page: str
    where: AirflowCoordinates | None


def follow(run: Followed, api: AirflowApi | None, terminal: Terminal, since: Manifest | None = None) -> int:
    """Watches a run to its end and shows that.

    Args:
        run: which.
        api: where its DAG run is asked for.
        terminal: takes what is to be seen.
        since: an earlier run, to tell what differs from it.

    Returns:
        The run's exit code; 130 when Ctrl-C ended the watching.
    """
    try:
        with watching(terminal) as hear:
            ending = Follower(run.record, api, run.where).to_end(hear)
    except KeyboardInterrupt:
        again, end = f"daybook show {run.run_id} --follow", f"daybook cancel {run.run_id}"
        terminal.say(f"The run goes on. Follow it again: {again}   End it: {end}")
        return INTERRUPTED_BY_KEYBOARD
    compared = differences(since, ending.manifest) if since is not None and ending.manifest is not None else None
    terminal.document({**_document(run, ending), **rerun_document(since, compared)})
    if not terminal.as_json:
        _show(run, ending, terminal)
        if since is not None and compared is not None:
            show_comparison(terminal.line, compared, since.run_id)
    return int(ending.exit_code)


def follow_found(settings: Settings, found: Found | Waiting, terminal: Terminal) -> int:
    """Watches a run that was found, with a record or before it has one."""
    if isinstance(found, Waiting):
        return _follow_waiting(settings, found, terminal)
    run_id = found.manifest.run_id
    page = run_page(settings.public_url(), found.workspace.name, run_id)
    run = Followed(run_id, found.record, page, found.manifest.airflow)
    if run.where is None or found.manifest.succeeded:
        return follow(run, None, terminal)
    with AirflowApi(settings.api()) as api:
        return follow(run, api, terminal)


def _follow_waiting(settings: Settings, waiting: Waiting, terminal: Terminal) -> int:
    page = run_page(settings.public_url(), waiting.workspace.name, waiting.run_id)
    with AirflowApi(settings.api()) as api:
        return follow(Followed(waiting.run_id, waiting.record, page, waiting.where), api, terminal)


def _document(run: Followed, ending: Ending) -> dict[str, Any]:
    found = run_document(ending.manifest, run.record, run.page) if ending.manifest else {"state": None}
    airflow = run.where.model_dump(mode="json") if run.where else None
    shown = {"run_id": run.run_id, "page": run.page, **found, "airflow": airflow}
    return {**shown, "error": ending.error, "exit_code": int(ending.exit_code)}


def _show(run: Followed, ending: Ending, terminal: Terminal) -> None:
    if ending.manifest is not None:
        show_run(terminal, ending.manifest, run.record, run.page)
    else:
        terminal.line(f"run {run.run_id} ended in Airflow before it had a record", style="bold red")
    if ending.error:
        terminal.line(f"  {'Airflow':<11} {ending.error}", style="red")
