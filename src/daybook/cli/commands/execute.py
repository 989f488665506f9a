"""`daybook execute`: just the runner, here and now."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daybook.cli.options import JsonOption, ParameterOption, ParametersOption, ProjectOption

if TYPE_CHECKING:
    from daybook.cli.terminal import Terminal
    from daybook.contract.errors import ExitCode
    from daybook.contract.manifest import Manifest
    from daybook.contract.request import Limits


def add_to(app: typer.Typer, panel: str) -> None:
    """Adds this family's commands."""
    app.command(rich_help_panel=panel)(execute)


def execute(
    context: typer.Context,
    notebook: Annotated[
        str,
        typer.Argument(
            metavar="NOTEBOOK", help="Path or URL (file, http, https, s3) of a notebook, or its id in the catalogue."
        ),
    ],
    output: Annotated[str, typer.Option("--output", "-o", help="Path or URL that the run's record goes below.")],
    parameter: ParameterOption = None,
    parameters: ParametersOption = None,
    kernel: Annotated[str | None, typer.Option(help="Kernel; else the notebook's own.", show_default=False)] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds all of it may take.", show_default=False)
    ] = None,
    cell_timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds one cell may take.", show_default=False)
    ] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Execute a notebook here, without Airflow: the same checks, outputs and manifest as in a pod.

    Runs in the notebooks' environment (.venv-notebook). Without NOTEBOOK, and with a request in DAYBOOK_REQUEST, it
    executes that: so pods do. Exit codes: 0 succeeded, 1 the notebook failed, 2 refused, 3 the infrastructure failed,
    143 interrupted.

    Examples: `daybook execute analysis.ipynb --output out/ -p year=2013` ·
    `daybook execute https://example.org/n.ipynb -o s3://bucket/run --parameters p.json`
    """
    from daybook.cli.executing import hand_over
    from daybook.cli.parameters import read_texts
    from daybook.cli.terminal import Terminal

    hand_over(sys.argv[1:], os.environ)
    from daybook.runner.main import run_from_arguments

    terminal = Terminal(json)
    code = run_from_arguments(
        _source(notebook, project),
        output,
        parameters,
        read_texts(parameter or ()),
        kernel=kernel,
        limits=_limits(timeout, cell_timeout),
        stream=sys.stderr,
        head_start=context.obj,
    )
    show_executed(output, code, terminal, os.environ)
    raise typer.Exit(int(code))


def _source(notebook: str, project: Path | None) -> str:
    """A path or URL as it is; an id of the catalogue as the notebook it stands for."""
    if "://" in notebook or Path(notebook).exists() or not notebook.isidentifier():
        return notebook
    from daybook.cli.settings import Settings
    from daybook.contract.errors import InvalidSettings

    try:
        settings = Settings.find(project)
    except InvalidSettings:
        return notebook  # outside a project it can only be a path, and the runner says that it is not there
    return str(settings.load_catalogue().get(notebook).source)


def _limits(timeout: float | None, cell_timeout: float | None) -> Limits | None:
    """The limits that were given; the notebook says the others."""
    from daybook.contract.request import Limits

    named = {"timeout_seconds": timeout, "cell_timeout_seconds": cell_timeout}
    given = {name: seconds for name, seconds in named.items() if seconds is not None}
    return Limits(**given) if given else None


def show_executed(
    output: str, code: ExitCode, terminal: Terminal, environment: Mapping[str, str], since: Manifest | None = None
) -> None:
    """A run that was executed here.

    Args:
        output: where its record lies.
        code: how it ended.
        terminal: takes it.
        environment: credentials of the bucket.
        since: an earlier run, to tell what differs from it.
    """
    from daybook.cli.commands.comparison_view import rerun_document, show_comparison
    from daybook.cli.commands.run_views import run_document, show_run
    from daybook.contract.differences import differences
    from daybook.storage import RunRecord, open_store

    record = RunRecord(open_store(output, environment))
    manifest = record.read()
    if manifest is None:
        return
    compared = differences(since, manifest) if since is not None else None
    document = {**run_document(manifest, record, None), "exit_code": int(code)}
    terminal.document({**document, **rerun_document(since, compared)})
    if not terminal.as_json:
        show_run(terminal, manifest, record, None)
        if since is not None and compared is not None:
            show_comparison(terminal.line, compared, since.run_id)
