"""`daybook databricks install` and `check`: the kernel whose cells run on a Databricks cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daybook.cli.options import JsonOption

if TYPE_CHECKING:
    from daybook.cli.terminal import Terminal
    from daybook.databricks.check import Line, Report

_SDK = "databricks.sdk"


def add_to(app: typer.Typer, panel: str) -> None:
    """Adds this family's commands."""
    family = typer.Typer(
        name="databricks",
        help="Notebooks whose cells run on a Databricks cluster.",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    family.command()(install)
    family.command()(check)
    app.add_typer(family, rich_help_panel=panel)


def install(
    user: Annotated[bool, typer.Option("--user", help="For this user, in every environment of theirs.")] = False,
    prefix: Annotated[
        Path | None, typer.Option(help="An environment's folder; else the notebooks' own.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Put the kernel `databricks` among Jupyter's kernels, for JupyterLab, papermill and `jupyter execute`.

    Example: `daybook databricks install --user`
    """
    from daybook.cli.terminal import Terminal
    from daybook.contract.errors import InvalidRequest

    if user and prefix is not None:
        raise InvalidRequest("--user and --prefix exclude each other")
    _hand_over()
    from daybook.databricks.kernelspec import KERNEL_NAME, install

    where = install(None if user else str(prefix or sys.prefix), user=user)
    terminal = Terminal(json)
    terminal.document({"kernel": KERNEL_NAME, "folder": str(where)})
    terminal.line(f"kernel {KERNEL_NAME} is in {where}")


def check(json: JsonOption = False) -> None:
    """Show which host, credentials, cluster and settings are found where, and whether a cell could run there.

    Starts nothing: a stopped cluster stays so. Secrets are never shown. Exit codes: 0 a cell could run, 2 a setting is
    missing or wrong, 3 Databricks refuses or does not answer.

    Example: `daybook databricks check`
    """
    from daybook.cli.terminal import Terminal

    _hand_over()
    from daybook.databricks.check import check

    report = check(os.environ, Path.cwd())
    terminal = Terminal(json)
    terminal.document(_document(report))
    _show(report, terminal)
    if report.error is None:
        terminal.line("A cell could run there.")
        return
    if not json:
        terminal.complain(str(report.error))
    raise typer.Exit(int(report.error.exit_code))


def _hand_over() -> None:
    """To the notebooks' environment, where kernels run.

    Raises:
        InvalidSettings: the SDK is not there.
    """
    from importlib.util import find_spec

    from daybook.cli.executing import hand_over
    from daybook.contract.errors import Fault, InvalidSettings

    hand_over(sys.argv[1:], os.environ)
    try:
        found = find_spec(_SDK) is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        fault = Fault(sys.prefix, "has no databricks-sdk (pip install 'daybook[databricks]')")
        raise InvalidSettings("the Databricks kernel is not installed", [fault])


def _document(report: Report) -> dict[str, object]:
    from daybook.cli.terminal import error_document

    return {
        "settings": [vars(line) for line in report.settings],
        "databricks": {line.name: line.value for line in report.answers},
        "notes": list(report.notes),
        **(error_document(report.error) if report.error else {}),
    }


def _show(report: Report, terminal: Terminal) -> None:
    _table(report.settings, terminal)
    terminal.line()
    _table(report.answers, terminal)
    for note in report.notes:
        terminal.line(f"Note: {note}.")


def _table(lines: list[Line], terminal: Terminal) -> None:
    width = max((len(line.name) for line in lines), default=0)
    for line in lines:
        terminal.line(f"{line.name.ljust(width)}  {line.value}" + (f"  ({line.origin})" if line.origin else ""))
