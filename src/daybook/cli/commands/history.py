"""`daybook runs`, `show`, `cancel`."""

from __future__ import annotations

from typing import Annotated

import typer

from daybook.cli.options import JsonOption, ProjectOption, RunArgument

CANCEL_SECONDS = 120


def add_to(app: typer.Typer, panel: str) -> None:
    """Adds this family's commands."""
    for command in (runs, show, cancel):
        app.command(rich_help_panel=panel)(command)


def runs(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many runs.")] = 20,
    workspace: Annotated[
        str | None, typer.Option("--workspace", "-w", help="Only of this workspace.", show_default=False)
    ] = None,
    state: Annotated[
        str | None,
        typer.Option("--state", help="Only in this state: queued, running, succeeded, failed, interrupted, lost."),
    ] = None,
    notebook: Annotated[str | None, typer.Option("--notebook", help="Only of this notebook.")] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """List runs, newest first, from the records in the workspaces' buckets.

    Example: `daybook runs --state failed --limit 5`
    """
    from daybook.cli.listing import Wanted, list_document, list_runs, show_list
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    found = list_runs(Settings.find(project), Wanted.checked(workspace, state, notebook), limit)
    terminal.document(list_document(found))
    if not json:
        show_list(terminal, found)


def show(
    run: RunArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for its end first.")] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show one run: what was asked, what became of it, what came out and where it lies.

    With `--follow` the exit code is the run's, as with `daybook run`.

    Examples: `daybook show 20261123T010203Z-flights-delays-0123456789` · `daybook show 0123456789 --follow`
    """
    from daybook.cli.commands.run_views import run_document, show_run
    from daybook.cli.finding import find_run
    from daybook.cli.settings import Settings, run_page
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    settings = Settings.find(project)
    found = find_run(settings, run)
    if follow:
        from daybook.cli.commands.following_view import follow_found

        raise typer.Exit(follow_found(settings, found, terminal))
    page = run_page(settings.public_url(), found.workspace.name, found.manifest.run_id)
    terminal.document(run_document(found.manifest, found.record, page))
    if not json:
        show_run(terminal, found.manifest, found.record, page)


def cancel(
    run: RunArgument,
    timeout: Annotated[int, typer.Option(min=0, help="Seconds to wait for its end; 0 does not wait.")] = CANCEL_SECONDS,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """End a run that waits or runs: its pod gets time to save what it has, and the record is sealed.

    Example: `daybook cancel 0123456789`
    """
    from daybook.cli.airflow_api import AirflowApi
    from daybook.cli.cancelling import cancel_run
    from daybook.cli.commands.run_views import run_document, show_run
    from daybook.cli.finding import find_run
    from daybook.cli.settings import Settings, run_page
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    settings = Settings.find(project)
    found = find_run(settings, run)
    with AirflowApi(settings.api()) as api:
        manifest = cancel_run(api, found, float(timeout), terminal.say)
    page = run_page(settings.public_url(), found.workspace.name, manifest.run_id)
    terminal.document(run_document(manifest, found.record, page))
    if not json:
        show_run(terminal, manifest, found.record, page)
