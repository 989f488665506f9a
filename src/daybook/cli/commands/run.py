"""`daybook run`: triggers a run through Airflow and follows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daybook.cli.options import (
    JsonOption,
    ParameterOption,
    ParametersOption,
    ProjectOption,
    SettingOption,
    WorkspaceOption,
)

if TYPE_CHECKING:
    from daybook.cli.airflow_api import AirflowApi
    from daybook.cli.asking import Request
    from daybook.cli.commands.following_view import Followed
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal


def add_to(app: typer.Typer, panel: str) -> None:
    """Adds this family's commands."""
    app.command(rich_help_panel=panel)(run)


def run(
    notebook: Annotated[str, typer.Argument(metavar="NOTEBOOK", help="The notebook's id in the catalogue.")],
    parameter: ParameterOption = None,
    parameters: ParametersOption = None,
    workspace: WorkspaceOption = None,
    setting: SettingOption = None,
    follow: Annotated[bool, typer.Option(help="Wait for the end and show it; else only ask for the run.")] = True,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Run a notebook through Airflow and follow it to its end.

    The parameters are checked first, all at once; nothing starts when one is wrong. Ctrl-C stops the watching, not
    the run. The exit code is the run's: 0 succeeded, 1 the notebook failed, 2 refused, 3 the infrastructure failed,
    143 interrupted.

    Examples: `daybook run flights_delays -p origin=JFK -p minimum_delay=15` ·
    `daybook run ndvi_calculation --parameters request.json --no-follow --json` ·
    `daybook run flights_delays --set memory=4Gi`
    """
    from daybook.cli.airflow_api import AirflowApi
    from daybook.cli.asking import ask
    from daybook.cli.commands.following_view import follow as watch
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    settings = Settings.find(project)
    request = ask(settings, notebook, parameter or (), parameters, workspace, setting or ())
    with AirflowApi(settings.api()) as api:
        asked = ask_for(api, settings, request, terminal)
        terminal.say(f"run {asked.run_id}")
        if follow:
            raise typer.Exit(watch(asked, api, terminal))
    show_asked(asked, request.workspace.name, terminal)


def ask_for(api: AirflowApi, settings: Settings, request: Request, terminal: Terminal) -> Followed:
    """Asks Airflow for a run; it has no record yet, but the record's place is known."""
    from daybook.cli.commands.following_view import Followed
    from daybook.cli.settings import run_page
    from daybook.cli.triggering import trigger
    from daybook.contract.keys import AIRFLOW_TASK
    from daybook.contract.request import AirflowCoordinates
    from daybook.storage import record_of

    dag_run = trigger(api, request, terminal.say)
    run_id = request.run_id(dag_run)
    record = record_of(settings.open_bucket(request.workspace), run_id)
    page = run_page(settings.public_url(), request.workspace.name, run_id)
    return Followed(
        run_id, record, page, AirflowCoordinates(dag_id=dag_run.dag_id, run_id=dag_run.run_id, task_id=AIRFLOW_TASK)
    )


def show_asked(run: Followed, workspace: str, terminal: Terminal, more: Mapping[str, Any] | None = None) -> None:
    """A run that was asked for and is not followed.

    Args:
        run: which.
        workspace: where.
        terminal: takes it.
        more: for the document.
    """
    airflow = run.where.model_dump(mode="json") if run.where else None
    shown = {"run_id": run.run_id, "workspace": workspace, "state": "queued", "page": run.page, "airflow": airflow}
    terminal.document({**shown, **(more or {})})
    terminal.line(f"asked for run {run.run_id}")
    terminal.line(f"  page    {run.page}")
    terminal.line(f"  follow  daybook show {run.run_id} --follow")
