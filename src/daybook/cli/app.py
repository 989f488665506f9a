"""The Typer application: its commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from daybook.cli.commands import catalogue, cleaning, databricks, execute, history, rerun, run, stack
from daybook.cli.terminal import Terminal, usage_document
from daybook.contract.errors import DaybookError, ExitCode, InfrastructureFailed

INTERRUPTED_BY_KEYBOARD = 130
_JSON_FLAG = "--json"
_OF_THE_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
"""A full or forbidden disk, met where nobody looked for it, is no bug."""

EPILOG = """
**Exit codes:** 0 done · 1 the notebook failed, or the stack is not up (`status`) · 2 the request, a setting or the
command line is at fault · 3 the world around the notebook failed, worth a retry · 130 Ctrl-C · 143 the run was
interrupted.

**Examples:** `daybook up` · `daybook notebooks` · `daybook run flights_delays -p origin=JFK` · `daybook runs` ·
`daybook show` RUN · `daybook rerun` RUN · `daybook down`
"""


def make_app() -> typer.Typer:
    """The command line, put together."""
    app = typer.Typer(
        name="daybook",
        help="Run parameterised Jupyter notebooks as Airflow runs: one pod, one record you can trust.",
        epilog=EPILOG,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common)
    for panel, module in (
        ("The local stack", stack),
        ("Running notebooks", run),
        ("Running notebooks", execute),
        ("Running notebooks", databricks),
        ("Runs", history),
        ("Runs", rerun),
        ("Runs", cleaning),
        ("The catalogue", catalogue),
    ):
        module.add_to(app, panel)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"daybook {version('daybook')}\n")
        raise typer.Exit


def _common(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print Daybook's version and end.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    pass


def run_app(arguments: Sequence[str], given: object = None) -> int:
    """Runs a command line; whatever goes wrong in it becomes one message and an exit code.

    Args:
        arguments: without the program's name.
        given: what the command finds as its context's object.
    """
    terminal = Terminal(as_json=_JSON_FLAG in arguments)
    try:
        code = make_app()(args=list(arguments), prog_name="daybook", standalone_mode=False, obj=given)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        return _usage(terminal, error)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED_BY_KEYBOARD
    except (SystemExit, BrokenPipeError) as ended:
        return _unheard(ended)
    except DaybookError as error:
        terminal.error(error)
        return int(error.exit_code)
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            return _bug(terminal, error)
        where = f"{error.filename}: " if error.filename else ""
        terminal.error(InfrastructureFailed(f"{where}{error.strerror}; make room or give the right, then try again"))
        return int(ExitCode.INFRASTRUCTURE_FAILED)
    except Exception as error:  # noqa: BLE001 - the process's edge: a bug must say that it is one
        return _bug(terminal, error)


def _unheard(ended: BaseException) -> int:
    """Whoever read our output has seen enough, as `head` does: Typer makes that an exit with code 1."""
    if isinstance(ended, SystemExit) and ended.code != 1:
        return ended.code if isinstance(ended.code, int) else 0
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at exit, and would complain
    return 0


def _usage(terminal: Terminal, error: typer.TyperException) -> int:
    message = error.format_message()
    if not message:  # no arguments at all: the help has been shown
        return int(ExitCode.INVALID_REQUEST)
    if terminal.as_json:
        terminal.document(usage_document(message))
    else:
        command = getattr(getattr(error, "ctx", None), "command_path", "daybook")
        terminal.complain(message)
        terminal.say(f"Try '{command} --help'.")
    return int(ExitCode.INVALID_REQUEST)


def _bug(terminal: Terminal, error: Exception) -> int:
    descriptor, path = tempfile.mkstemp(prefix="daybook-bug-", suffix=".txt")
    with os.fdopen(descriptor, "w") as file:
        traceback.print_exception(error, file=file)
    said = f"{type(error).__name__}: {error}".splitlines()[0]
    terminal.error(InfrastructureFailed(f"this is a bug in Daybook ({said}); please report it with the file {path}"))
    return int(ExitCode.INFRASTRUCTURE_FAILED)
