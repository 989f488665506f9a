"""`daybook spark status`, `start`, `stop`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from daybook.cli.options import JsonOption, ProjectOption

if TYPE_CHECKING:
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal

_Workspace = Annotated[str | None, typer.Option("--workspace", "-w", help="Only this workspace's.", show_default=False)]


def add_to(app: typer.Typer, panel: str) -> None:
    """Adds this family's commands."""
    family = typer.Typer(no_args_is_help=True, help="The workspaces' Spark servers: how they are, start, stop.")
    for command in (status, start, stop):
        family.command()(command)
    app.add_typer(family, name="spark", rich_help_panel=panel)


def status(workspace: _Workspace = None, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Show each workspace's Spark server: state, size, sessions, since when, where its pages are.

    Example: `daybook spark status --workspace research`
    """
    from daybook.cli.commands.spark_views import show_servers
    from daybook.cli.settings import Settings
    from daybook.cli.spark_servers import looked_at
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    found = looked_at(Settings.find(project), workspace)
    terminal.document({"workspaces": [each.document() for each in found]})
    if not json:
        show_servers(terminal, found)


def start(workspace: _Workspace = None, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Start a workspace's Spark server, so that it is warm before the first run comes; one that runs stays.

    The local stack's is started here, and waited for. Any other one is started by Airflow: runs find it in a minute.

    Example: `daybook spark start --workspace research`
    """
    from daybook.cli.spark_servers import chosen
    from daybook.cli.terminal import Terminal

    terminal, settings = Terminal(json), _settings(project)
    found = chosen(settings, workspace)
    if found.local is None or settings.project is None:
        _ask_airflow(terminal, settings, found.workspace, "start")
        return
    from dataclasses import asdict

    from daybook.cli.commands.stack_views import progress
    from daybook.cli.stack.spark import start_server

    with progress(terminal) as watch:
        server = start_server(settings.project, os.environ, watch)
    terminal.document({"workspace": found.workspace, "local": asdict(server)})
    terminal.line(f"The Spark server is at {server.remote}; its pages are at {server.ui}.")


def stop(
    workspace: _Workspace = None,
    force: Annotated[bool, typer.Option("--force", help="Also where sessions are open, which fail then.")] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Stop a workspace's Spark server; the next run that wants one has it started again, but for the local stack's.

    Example: `daybook spark stop --workspace research`
    """
    from daybook.cli.spark_servers import chosen
    from daybook.cli.terminal import Terminal
    from daybook.contract.errors import InvalidRequest

    terminal, settings = Terminal(json), _settings(project)
    found = chosen(settings, workspace)
    if found.local is None or settings.project is None:
        if found.sessions and not force:
            raise InvalidRequest(f"sessions are open ({found.sessions}), and would fail; stop it with --force")
        _ask_airflow(terminal, settings, found.workspace, "stop")
        return
    from daybook.cli.stack.spark import stop_server

    before = stop_server(settings.project, terminal.say, force)
    terminal.document({"workspace": found.workspace, "stopped": before.pid is not None})
    terminal.line("The Spark server is stopped." if before.pid is not None else "The Spark server did not run.")


def _settings(project: ProjectOption) -> Settings:
    from daybook.cli.settings import Settings

    return Settings.find(project)


def _ask_airflow(terminal: Terminal, settings: Settings, workspace: str, action: str) -> None:
    from daybook.cli.spark_servers import asked_of_airflow

    dag_run = asked_of_airflow(settings, workspace, "start" if action == "start" else "stop")
    terminal.document({"workspace": workspace, "airflow": {"dag_id": dag_run.dag_id, "run_id": dag_run.run_id}})
    terminal.say(f"Airflow {action}s it: DAG {dag_run.dag_id}, run {dag_run.run_id}; `daybook spark status` tells")
