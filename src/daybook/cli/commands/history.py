"""`daybook runs`, `show`, `cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from daybook.cli.options import JsonOption, ProjectOption, RunArgument

if TYPE_CHECKING:
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal
    from daybook.contract.manifest import Manifest
    from daybook.storage import RunRecord

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
    from daybook.cli.listing import Wanted, list_document, list_runs, pinned_among, show_list
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    settings = Settings.find(project)
    found = list_runs(settings, Wanted.checked(workspace, state, notebook), limit)
    terminal.document(list_document(found))
    if not json:
        show_list(terminal, found, pinned_among(settings, found))


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
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal
    from daybook.cli.waiting import Waiting, look_up, show_waiting

    terminal = Terminal(json)
    settings = Settings.find(project)
    found = look_up(settings, run)
    if follow:
        from daybook.cli.commands.following_view import follow_found

        raise typer.Exit(follow_found(settings, found, terminal))
    if isinstance(found, Waiting):
        show_waiting(settings, found, terminal)
    else:
        _show_record(settings, found.record, found.manifest, terminal)


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
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal
    from daybook.cli.waiting import Waiting, cancel_waiting, look_up, show_cancelled

    terminal = Terminal(json)
    settings = Settings.find(project)
    found = look_up(settings, run)
    with AirflowApi(settings.api()) as api:
        if isinstance(found, Waiting):
            manifest = cancel_waiting(api, found, float(timeout), terminal.say)
        else:
            manifest = cancel_run(api, found, float(timeout), terminal.say)
    if manifest is not None:
        _show_record(settings, found.record, manifest, terminal)
    elif isinstance(found, Waiting):
        show_cancelled(settings, found, terminal)


def _show_record(settings: Settings, record: RunRecord, manifest: Manifest, terminal: Terminal) -> None:
    from daybook.cli.commands.run_views import run_document, show_run
    from daybook.cli.settings import run_page
    from daybook.storage import pin_of

    page = run_page(settings.public_url(), manifest.workspace, manifest.run_id)
    pin = pin_of(record)
    terminal.document(run_document(manifest, record, page, pin))
    if not terminal.as_json:
        show_run(terminal, manifest, record, page, pin)
