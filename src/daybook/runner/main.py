"""The two ways to the runner: the request in a pod's environment, and the arguments of `daybook execute`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from pydantic import ValidationError

from daybook.contract.errors import DaybookError, ExitCode, Fault, InvalidRequest
from daybook.contract.request import SAVING_SECONDS, Limits, RunRequest
from daybook.contract.variables import REQUEST_VARIABLE
from daybook.runner.execute import execute
from daybook.runner.head_start import HeadStart
from daybook.runner.presence import Presence

TEMPORARY_VARIABLE = "TMPDIR"


def run_from_environment(
    environment: Mapping[str, str], stream: TextIO, head_start: HeadStart | None = None
) -> ExitCode:
    """Executes the request in a pod's environment; an error that no manifest can tell of is one line on the stream."""
    try:
        request = request_from_environment(environment)
        # In a pod the current folder is the run's own volume, whereas /tmp may be memory.
        scratch = Path(environment.get(TEMPORARY_VARIABLE) or Path.cwd())
        with Presence.of(environment):
            return execute(
                request, environment, scratch=scratch, stream=stream, saving=SAVING_SECONDS, head_start=head_start
            )
    except DaybookError as error:
        stream.write(f"{error}\n")
        stream.flush()
        return error.exit_code


def request_from_environment(environment: Mapping[str, str]) -> RunRequest:
    """The request that `DAYBOOK_REQUEST` holds.

    Raises:
        InvalidRequest: there is none, or it is not a request of this version; every fault is named.
    """
    text = environment.get(REQUEST_VARIABLE)
    if not text:
        raise InvalidRequest(f"there is nothing to run: the variable {REQUEST_VARIABLE} holds no request")
    try:
        return RunRequest.from_json(text)
    except ValidationError as error:
        faults = [Fault(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        raise InvalidRequest(f"{REQUEST_VARIABLE} holds no request that this runner reads", faults) from error


def run_from_arguments(
    notebook: str,
    output: str,
    parameters_file: Path | None = None,
    given: Mapping[str, str | Sequence[str]] | None = None,
    *,
    kernel: str | None = None,
    limits: Limits | None = None,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
    stream: TextIO | None = None,
    head_start: HeadStart | None = None,
) -> ExitCode:
    """Executes a notebook as `daybook execute` does: without Airflow, with the same checks and the same record.

    Args:
        notebook: path or URL.
        output: URL or path of the run's prefix; where a run's record lies there, this is its next attempt.
        parameters_file: a JSON object of values; `-` for standard input.
        given: values as texts, spelled as in a link; several for a list.
        kernel: overrides the notebook's own.
        limits: how long things may take; for a field that is not set the notebook's spec says so.
        user: on whose behalf.
        environment: the process's own unless given.
        stream: takes the log's lines; standard output unless given.
        head_start: a process that may become the kernel.

    Returns:
        The exit code that agrees with the sealed manifest.

    Raises:
        InvalidRequest: the notebook cannot be read, or the values do not fit; nothing was started.
        StoreFailed: the bucket does not answer.
    """
    # Pods never come here, and the catalogue takes as long to import as a cell to run.
    from daybook.catalogue import read_values
    from daybook.runner.given import Given, request_for

    variables = os.environ if environment is None else environment
    values = read_values(parameters_file) if parameters_file is not None else {}
    request = request_for(Given(notebook, output, values, given or {}, kernel, limits, user), variables)
    return run_here(request, variables, stream or sys.stdout, head_start)


def run_here(
    request: RunRequest, environment: Mapping[str, str], stream: TextIO, head_start: HeadStart | None = None
) -> ExitCode:
    """Executes a request outside of a pod."""
    scratch = Path(tempfile.gettempdir())
    return execute(request, environment, scratch=scratch, stream=stream, head_start=head_start)
