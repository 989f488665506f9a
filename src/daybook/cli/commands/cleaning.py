"""`daybook pin`, `unpin`, `clean-up`."""

from __future__ import annotations

from typing import Annotated

import typer

from daybook.cli.options import JsonOption, ProjectOption, RunArgument


def add_to(app: typer.Typer, panel: str) -> None:
    """Adds this family's commands."""
    app.command(rich_help_panel=panel)(pin)
    app.command(rich_help_panel=panel)(unpin)
    app.command("clean-up", rich_help_panel=panel)(clean_up)


def pin(
    run: RunArgument,
    why: Annotated[str | None, typer.Option("--why", help="For those who wonder later.", show_default=False)] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Keep a run for good: retention leaves it alone, and does not count it.

    Example: `daybook pin 0123456789 --why "figures of the paper"`
    """
    from daybook.cli.pinning import pinned_by_me
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    found, made = pinned_by_me(Settings.find(project), run, why)
    terminal.document({"run_id": found, "pin": made.model_dump(mode="json")})
    terminal.say(f"run {found} is pinned")


def unpin(run: RunArgument, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Take a run's pin away: retention applies to it again.

    Example: `daybook unpin 0123456789`
    """
    from daybook.cli.pinning import unpinned
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    found = unpinned(Settings.find(project), run)
    terminal.document({"run_id": found, "pin": None})
    terminal.say(f"run {found} is not pinned")


def clean_up(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show which runs retention would remove.")] = False,
    workspace: Annotated[
        str | None, typer.Option("--workspace", "-w", help="Only this workspace.", show_default=False)
    ] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Have Airflow's DAG `clean_up` sweep now: abandoned runs, orphan pods, retention.

    With `--dry-run` nothing is asked of Airflow: the buckets alone tell what retention would remove.

    Example: `daybook clean-up --dry-run --workspace local`
    """
    from daybook.cli.cleaning_up import dry_reports, swept_by_airflow
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    settings = Settings.find(project)
    if not dry_run:
        dag_run = swept_by_airflow(settings, workspace)
        terminal.document({"airflow": {"dag_id": dag_run.dag_id, "run_id": dag_run.run_id}})
        terminal.say(f"Airflow sweeps: DAG {dag_run.dag_id}, run {dag_run.run_id}")
        return
    reports = dry_reports(settings, workspace, terminal.line)
    terminal.document({"workspaces": [{**report.document(), "lines": report.lines} for report in reports]})
    for report in reports:
        terminal.line(report.summary())
    if any(report.failures for report in reports):
        raise typer.Exit(3)
