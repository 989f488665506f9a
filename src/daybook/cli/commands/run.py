"""`daybook run`: triggers a run through Airflow and follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from daybook.cli.options import JsonOption, ParameterOption, ParametersOption, ProjectOption, WorkspaceOption

if TYPE_CHECKING:
    from daybook.cli.commands.following_view import Followed
    from daybook.cli.terminal import Terminal


def add_to(app: typer.Typer, panel: str) -> None:
    """Adds this family's commands."""
    app.command(rich_help_panel=panel)(run)


def run(
    notebook: Annotated[str, typer.Argument(metavar="NOTEBOOK", help="The notebook's id in the catalogue.")],
    parameter: ParameterOption = None,
    parameters: ParametersOption = None,
    workspace: WorkspaceOption = None,
    follow: Annotated[bool, typer.Option(help="Wait for the end and show it; else only ask for the run.")] = True,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Run a notebook through Airflow and follow it to its end.

    The parameters are checked first, all at once; nothing starts when one is wrong. Ctrl-C stops the watching, not
    the run. The exit code is the run's: 0 succeeded, 1 the notebook failed, 2 refused, 3 the infrastructure failed,
    143 interrupted.

    Examples: `daybook run flights_delays -p origin=JFK -p minimum_delay=15` ·
    `daybook run ndvi_calculation --parameters request.json --no-follow --json`
    """
    from daybook.cli.airflow_api import AirflowApi
    from daybook.cli.asking import ask
    from daybook.cli.commands.following_view import Followed
    from daybook.cli.commands.following_view import follow as watch
    from daybook.cli.settings import Settings, run_page
    from daybook.cli.terminal import Terminal
    from daybook.cli.triggering import trigger
    from daybook.contract.keys import AIRFLOW_TASK
    from daybook.contract.request import AirflowCoordinates
    from daybook.storage import record_of

    terminal = Terminal(json)
    settings = Settings.find(project)
    request = ask(settings, notebook, parameter or (), parameters, workspace)
    with AirflowApi(settings.api()) as api:
        dag_run = trigger(api, request, terminal.say)
        run_id = request.run_id(dag_run)
        record = record_of(settings.open_bucket(request.workspace), run_id)
        page = run_page(settings.public_url(), request.workspace.name, run_id)
        where = AirflowCoordinates(dag_id=dag_run.dag_id, run_id=dag_run.run_id, task_id=AIRFLOW_TASK)
        terminal.say(f"run {run_id}")
        asked = Followed(run_id, record, page, where)
        if follow:
            raise typer.Exit(watch(asked, api, terminal))
    _show_asked(asked, request.workspace.name, terminal)


def _show_asked(run: Followed, workspace: str, terminal: Terminal) -> None:
    airflow = run.where.model_dump(mode="json") if run.where else None
    terminal.document(
        {"run_id": run.run_id, "workspace": workspace, "state": "queued", "page": run.page, "airflow": airflow}
    )
    terminal.line(f"asked for run {run.run_id}")
    terminal.line(f"  page    {run.page}")
    terminal.line(f"  follow  daybook show {run.run_id} --follow")
