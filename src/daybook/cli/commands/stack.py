"""`daybook up`, `down`, `status`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from daybook.cli.options import JsonOption, ProjectOption, port_option

STATUS_NOT_UP = 1


def add_to(app: typer.Typer, panel: str) -> None:
    """Adds this family's commands."""
    for command in (up, down, status):
        app.command(rich_help_panel=panel)(command)


def up(
    port: Annotated[int | None, port_option("--port", "DAYBOOK_PORT", "Airflow's pages and API (8080)")] = None,
    pods_port: Annotated[int | None, port_option("--pods-port", "DAYBOOK_PODS_PORT", "localpods (8089)")] = None,
    spark_port: Annotated[
        int | None, port_option("--spark-port", "DAYBOOK_SPARK_PORT", "the Spark Connect server (15002)")
    ] = None,
    spark_ui_port: Annotated[
        int | None, port_option("--spark-ui-port", "DAYBOOK_SPARK_UI_PORT", "Spark's pages (4040)")
    ] = None,
    airflow_config: Annotated[
        Path | None,
        typer.Option(
            "--airflow-config",
            envvar="DAYBOOK_AIRFLOW_CONFIG",
            metavar="FILE",
            help="Options of airflow.cfg that win over the stack's own: another database, task logs in a bucket.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds the stack may take to start.")] = 300,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Start the local stack: Airflow, localpods and a Spark server, all on 127.0.0.1.

    Starts what is not running and waits until everything works; again is fine, also after a crash. All state lies in
    .daybook/ of the project. Ports and Airflow's options are remembered for the next time.

    Example: `daybook up --port 8081`
    """
    from daybook.cli.commands.stack_views import progress, up_document, up_lines
    from daybook.cli.stack.project import find_project
    from daybook.cli.stack.up import up as bring_up
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    found = find_project(project, Path.cwd(), os.environ)
    ports = {"api": port, "pods": pods_port, "spark": spark_port, "spark_ui": spark_ui_port}
    with progress(terminal) as watch:
        outcome = bring_up(found, ports, os.environ, watch, float(timeout), airflow_config)
    terminal.document(up_document(found, outcome))
    for line in up_lines(found, outcome):
        terminal.line(line)


def down(project: ProjectOption = None, json: JsonOption = False) -> None:
    """End the local stack; no process is left, no run is lost.

    Runs that wait stay queued and start at the next `daybook up`. Running notebooks are interrupted: each gets its
    grace to save what it has, its record is sealed as interrupted, and Airflow ends its task by that record at the
    next `up`. Again is fine.

    Example: `daybook down`
    """
    from dataclasses import asdict

    from daybook.cli.stack.down import down as bring_down
    from daybook.cli.stack.project import find_project
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    outcome = bring_down(find_project(project, Path.cwd(), os.environ), os.environ, terminal.say)
    terminal.document(asdict(outcome))
    if outcome.ended:
        terminal.line(f"The stack is down ({outcome.seconds:.1f} s).")
    else:
        terminal.line("The stack was not up.")


def status(project: ProjectOption = None, json: JsonOption = False) -> None:
    """Show what of the local stack is there and works, with its memory, addresses and logs.

    Exit code 0 when everything is up, else 1.

    Example: `daybook status --json`
    """
    from daybook.cli.commands.stack_views import show_status, status_document
    from daybook.cli.stack.project import find_project
    from daybook.cli.stack.status import status as look
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    found = look(find_project(project, Path.cwd(), os.environ), os.environ)
    terminal.document(status_document(found))
    if not json:
        show_status(terminal, found)
    if not found.up:
        raise typer.Exit(STATUS_NOT_UP)
