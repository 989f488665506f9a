"""`daybook notebooks` and `daybook validate`."""

from __future__ import annotations

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
    from daybook.catalogue import Catalogue, Input, Notebook
    from daybook.cli.terminal import Terminal


def add_to(app: typer.Typer, panel: str) -> None:
    """Adds this family's commands."""
    app.command(rich_help_panel=panel)(notebooks)
    app.command(rich_help_panel=panel)(validate)


def notebooks(project: ProjectOption = None, json: JsonOption = False) -> None:
    """List the catalogue: notebooks with their inputs and schedules, what is broken, what cannot be run here.

    Example: `daybook notebooks --json`
    """
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal

    terminal = Terminal(json)
    settings = Settings.find(project)
    catalogue, fault = settings.load_catalogue(), settings.workspaces_fault()
    if json:
        terminal.document({**_document(catalogue), "workspaces_fault": str(fault) if fault else None})
        return
    _show(terminal, catalogue)
    if fault:
        terminal.line("\nWorkspaces:", style="bold red")
        terminal.line(f"  {fault}")


def validate(
    notebook: Annotated[str, typer.Argument(metavar="NOTEBOOK", help="The notebook's id in the catalogue.")],
    parameter: ParameterOption = None,
    parameters: ParametersOption = None,
    workspace: WorkspaceOption = None,
    setting: SettingOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Check a request without running it, and show the values the notebook would get.

    Exit code 2 when it would be refused; every fault is named.

    Example: `daybook validate flights_delays -p origin=JFK -p months=13 --set memory=4Gi`
    """
    from daybook.cli.asking import ask
    from daybook.cli.settings import Settings
    from daybook.cli.terminal import Terminal
    from daybook.contract.images import image_digest

    terminal = Terminal(json)
    request = ask(Settings.find(project), notebook, parameter or (), parameters, workspace, setting or ())
    terminal.document(
        {
            "valid": True,
            "notebook": request.notebook.id,
            "workspace": request.workspace.name,
            "parameters": request.parameters,
            "settings": request.settings,
        }
    )
    terminal.line(f"{request.notebook.id} can run in {request.workspace.name} with", style="green")
    for name, value in request.parameters.items():
        terminal.line(f"  {name} = {_shown(value)}")
    for name, value in request.settings.items():
        terminal.line(f"  --set {name}={value}")
    image = request.notebook.run.image
    if image and image_digest(image) is None:
        terminal.line(f"Its image {image} may change under its name; pin it: name@sha256:…", style="yellow")


def _document(catalogue: Catalogue) -> dict[str, Any]:
    return {
        # Not mode="json": pydantic then warns of every tuple that became a list.
        "notebooks": [each.model_dump(exclude_defaults=True) for each in catalogue.notebooks.values()],
        "not_runnable": [
            {"id": each.id, "title": each.title, "reason": each.reason} for each in catalogue.not_runnable.values()
        ],
        "broken": [
            {"id": each.id, "file": each.file, "line": each.line, "reason": each.reason} for each in catalogue.broken
        ],
    }


def _show(terminal: Terminal, catalogue: Catalogue) -> None:
    if not (catalogue.notebooks or catalogue.not_runnable or catalogue.broken):
        terminal.line("The catalogue is empty: put a notebook into include/notebooks/<id>/notebook.ipynb.")
    for notebook in catalogue.notebooks.values():
        terminal.line(f"{notebook.id}", style="bold")
        terminal.line(f"  {notebook.title}" + (f": {notebook.description}" if notebook.description else ""))
        for item in notebook.inputs:
            terminal.line(f"  -p {item.name}=…  {_input(item)}")
        if notebook.schedule:
            terminal.line(f"  runs {_schedule(notebook)}")
    if catalogue.not_runnable:
        terminal.line("\nListed, not run here:", style="bold")
    for entry in catalogue.not_runnable.values():
        terminal.line(f"  {entry.id}: it {entry.reason}")
    if catalogue.broken:
        terminal.line("\nBroken:", style="bold red")
    for broken in catalogue.broken:
        terminal.line(f"  {broken}")


def _input(item: Input) -> str:
    default = f", default {_shown(item.default)}" if item.has_default else ""
    needed = ", required" if item.is_required else ""
    about = f": {item.description}" if item.description else ""
    return f"{item.type}{default}{needed}{about}"


def _schedule(notebook: Notebook) -> str:
    schedule = notebook.schedule
    if schedule is None:
        return "when asked"
    return f"at {schedule.cron} ({schedule.timezone})" if schedule.cron else f"after {', '.join(schedule.assets or ())}"


def _shown(value: object) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value)
