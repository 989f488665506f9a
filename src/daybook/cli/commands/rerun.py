"""`daybook rerun`: makes a run again, and says what differs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from daybook.cli.options import JsonOption, ProjectOption

if TYPE_CHECKING:
    from pathlib import Path

    from daybook.cli.rerunning import Original
    from daybook.cli.terminal import Terminal


def add_to(app: typer.Typer, panel: str) -> None:
    """Adds this family's commands."""
    app.command(rich_help_panel=panel)(rerun)


def rerun(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A run as `daybook show` takes it, or the folder or URL of its record."),
    ],
    workspace: Annotated[
        str | None, typer.Option("--workspace", "-w", help="Another workspace than the run's.", show_default=False)
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Execute it here, without Airflow; the path or URL that the record goes below.",
            show_default=False,
        ),
    ] = None,
    follow: Annotated[bool, typer.Option(help="Wait for the end and show it; else only ask for the run.")] = True,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Run a notebook again with the parameters of a run, and say what differs between the two.

    The notebook and the image are those of today: what differs in them is told first. At the end the results, outputs,
    packages and the kernel are compared too. The exit code is the new run's, whatever differs. A run that
    `daybook execute` made is executed here, with --output.

    Examples: `daybook rerun 0123456789` · `daybook rerun out/ --output out-again/`
    """
    from daybook.cli.rerunning import find_original
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    original = find_original(run, project)
    if output is not None or original.manifest.airflow is None:
        raise typer.Exit(_here(original, output, workspace, terminal))
    raise typer.Exit(_through_airflow(original, workspace, follow, project, terminal))


def _through_airflow(
    original: Original, workspace: str | None, follow: bool, project: Path | None, terminal: Terminal
) -> int:
    from daybook.cli.airflow_api import AirflowApi
    from daybook.cli.commands.comparison_view import rerun_document, show_comparison
    from daybook.cli.commands.following_view import follow as watch
    from daybook.cli.commands.run import ask_for, show_asked
    from daybook.cli.rerunning import ask_again, image_now, sha256_now
    from daybook.cli.settings import Settings
    from daybook.contract.differences import beforehand

    old, settings = original.manifest, Settings.find(project)
    request = ask_again(settings, old, workspace)
    changed = beforehand(old, sha256_now(request.notebook), image_now(request))
    show_comparison(terminal.say, changed, old.run_id)
    with AirflowApi(settings.api()) as api:
        asked = ask_for(api, settings, request, terminal)
        terminal.say(f"runs {old.run_id} again as {asked.run_id}")
        if follow:
            return watch(asked, api, terminal, since=old)
    show_asked(asked, request.workspace.name, terminal, rerun_document(old, changed))
    return 0


def _here(original: Original, output: str | None, workspace: str | None, terminal: Terminal) -> int:
    from daybook.cli.commands.comparison_view import show_comparison
    from daybook.cli.commands.execute import show_executed
    from daybook.cli.executing import hand_over
    from daybook.contract.differences import beforehand
    from daybook.contract.repeating import given_values

    old = original.manifest
    place = _checked(old.run_id, output, workspace)
    values = given_values(old)
    hand_over(sys.argv[1:], os.environ)
    from daybook.runner.again import request_again
    from daybook.runner.main import run_here

    again = request_again(old, original.record, values, place, original.environment)
    show_comparison(terminal.say, beforehand(old, again.sha256, again.request.image), old.run_id)
    terminal.say(f"runs {old.run_id} again as {again.request.run_id}")
    code = run_here(again.request, original.environment, sys.stderr)
    show_executed(place, code, terminal, original.environment, since=old)
    return int(code)


def _checked(run_id: str, output: str | None, workspace: str | None) -> str:
    from daybook.contract.errors import Fault, InvalidRequest

    faults = []
    if output is None:
        faults.append(Fault("--output", "is needed: the run was not made through Airflow, so it is executed here"))
    if workspace is not None:
        faults.append(Fault("--workspace", "is for runs through Airflow; this one is executed here"))
    if faults or output is None:
        raise InvalidRequest(f"cannot run {run_id} again", faults)
    return output
