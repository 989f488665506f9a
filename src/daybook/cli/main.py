"""The entry point `daybook`. What a pod runs, `daybook execute` with its request in the environment, skips Typer."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from daybook.contract.variables import REQUEST_VARIABLE

if TYPE_CHECKING:
    from daybook.runner.head_start import HeadStart

LIVING_OBJECTS = 200_000
"""New objects between two collections while a notebook is executed. The libraries' objects all live to the end, about
150,000 of them; the collector would walk them again and again while they are loaded, a tenth of the whole time."""


def main() -> NoReturn:
    """Runs the command line and ends the process with its exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["execute"]:
        gc.set_threshold(LIVING_OBJECTS)
    code = run(arguments, os.environ)
    if arguments[:1] == ["execute"]:
        # The record is sealed, and taking the interpreter down takes a fifth of a second.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs one command.

    Returns:
        The exit code: 0 done, 1 the notebook failed or the stack is not up, 2 the request or a setting is at fault,
        3 the world around it failed, 130 ended by Ctrl-C, 143 the run was interrupted.
    """
    if list(arguments) == ["execute"] and environment.get(REQUEST_VARIABLE):
        from daybook.cli.executing import execute_request

        return execute_request(environment)
    with _head_start(arguments, environment) as head_start:
        from daybook.cli.app import run_app

        return run_app(arguments, head_start)


@contextmanager
def _head_start(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[HeadStart | None]:
    """Goes to the notebooks' environment before anything is loaded here that is loaded there again, and has the kernel
    begin to load; does nothing for command lines that execute no notebook."""
    from daybook.runner.head_start import HeadStart, wants_one

    if not wants_one(arguments, environment):
        yield None
        return
    from daybook.cli.executing import hand_over
    from daybook.contract.errors import InvalidSettings

    try:
        hand_over(arguments, environment)
    except InvalidSettings:
        yield None  # the command itself says what is wrong
        return
    with HeadStart(environment) as head_start:
        yield head_start
