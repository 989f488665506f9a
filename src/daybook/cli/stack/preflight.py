"""What must be there before anything starts; every fault is named at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping

from daybook.cli.stack.project import Project
from daybook.contract.errors import Fault, InvalidSettings

OLDEST_PYTHON = (3, 11)
_JAVA_SECONDS = 60.0
_FIND_JAVA = """\
import os, sys
from daybook.contract.errors import DaybookError
from daybook.spark.java import find_java
try:
    find_java(os.environ)
except DaybookError as error:
    sys.exit(str(error))
"""


def require_environments(project: Project) -> None:
    """Lets pass when both virtual environments are there with a Python that is new enough.

    Raises:
        InvalidSettings: they are not; says what to do.
    """
    faults = list(_environment_faults(project))
    if faults:
        raise InvalidSettings("cannot start the stack", faults)


def _environment_faults(project: Project) -> Iterator[Fault]:
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        yield Fault("Python", f"this is {sys.version.split()[0]}; Daybook needs {wanted} or newer")
    needed = {
        project.airflow_environment: ("bin/python", "Airflow's environment"),
        project.notebook_environment: ("bin/daybook", "the notebooks' environment"),
    }
    for folder, (program, what) in needed.items():
        if not (folder / program).exists():
            yield Fault(str(folder), f"{what} is missing or not whole ({program} is not there); run `make setup`")


def require_java(project: Project, environment: Mapping[str, str]) -> None:
    """Lets pass when Spark finds a Java that it can run on; one may lie in the notebooks' environment itself.

    Raises:
        InvalidSettings: there is none.
    """
    python = str(project.notebook_environment / "bin" / "python")
    try:
        done = subprocess.run(
            (python, "-c", _FIND_JAVA),
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=_JAVA_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InvalidSettings("cannot start the stack", [Fault("Java", f"looking for it failed: {error}")]) from error
    if done.returncode != 0:
        raise InvalidSettings("cannot start the stack", [Fault("Java", done.stderr.strip() or "the search failed")])
