"""Options that several commands share, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, errors too; nothing else on stdout.")
]
ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        help="The project folder (also: DAYBOOK_HOME); else the nearest one above the current folder.",
        show_default=False,
    ),
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        "-p",
        metavar="NAME=VALUE",
        help="A value for an input; again for another, or for the next item of a list.",
        show_default=False,
    ),
]
ParametersOption = Annotated[
    Path | None,
    typer.Option(
        "--parameters",
        metavar="FILE",
        help="A JSON file with an object of values; - reads it from stdin.",
        allow_dash=True,
        show_default=False,
    ),
]
WorkspaceOption = Annotated[
    str | None,
    typer.Option("--workspace", "-w", help="The workspace; else the notebook's or the first one.", show_default=False),
]
SettingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of this run alone, within what the workspace allows: image, kernel, memory, cpu or "
        "timeout_seconds; again for another.",
        show_default=False,
    ),
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run id, a beginning or end of one that fits one run only, or an Airflow run id."
    ),
]


def port_option(option: str, variable: str, what: str) -> typer.models.OptionInfo:
    """An option for one of the stack's ports."""
    found: typer.models.OptionInfo = typer.Option(
        option, envvar=variable, min=1, max=65535, help=f"Port of {what} on 127.0.0.1.", show_default=False
    )
    return found
