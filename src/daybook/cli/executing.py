"""Coming to the runner in the right environment: a notebook never sees Airflow's packages. Imports next to nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from daybook.contract.variables import NOTEBOOK_ENVIRONMENT_VARIABLE

_FOLDER = ".venv-notebook"
_RUNNERS_OWN = "papermill"


def execute_request(environment: Mapping[str, str]) -> int:
    """Executes the request in the environment, as a pod does; gives the exit code."""
    from daybook.contract.errors import DaybookError

    try:
        hand_over(("execute",), environment)
    except DaybookError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    from daybook.runner.head_start import HeadStart

    with HeadStart(environment) as head_start:
        from daybook.runner.main import run_from_environment

        return int(run_from_environment(environment, sys.stdout, head_start))


def hand_over(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Becomes the `daybook` of the notebooks' environment, unless this is it already.

    Raises:
        InvalidSettings: there is no such environment, or it has no runner.
    """
    if find_spec("airflow") is None and find_spec(_RUNNERS_OWN) is not None:
        return
    from daybook.contract.errors import Fault, InvalidSettings

    folder = notebook_environment(environment, Path.cwd(), Path(sys.prefix))
    program = folder / "bin" / "daybook" if folder else None
    if folder is None or program is None or not program.exists():
        where = str(folder or _FOLDER)
        fault = Fault(where, f"is not there; run `make setup`, or name one with {NOTEBOOK_ENVIRONMENT_VARIABLE}")
        raise InvalidSettings("notebooks run in an environment of their own", [fault])
    if folder.resolve() == Path(sys.prefix).resolve():
        lacks = "holds Airflow" if find_spec("airflow") else "has no runner (pip install 'daybook[runner]')"
        raise InvalidSettings("notebooks run in an environment of their own", [Fault(str(folder), lacks)])
    path = f"{folder / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    variables = {**environment, "PATH": path, "VIRTUAL_ENV": str(folder)}
    os.execve(program, [str(program), *arguments], variables)  # noqa: S606 - no shell is wanted


def notebook_environment(environment: Mapping[str, str], cwd: Path, prefix: Path) -> Path | None:
    """The notebooks' virtual environment: named, beside this one, or of the project that `cwd` is in.

    Args:
        prefix: of this process's own environment.
    """
    if named := environment.get(NOTEBOOK_ENVIRONMENT_VARIABLE):
        return Path(named)
    home = environment.get("DAYBOOK_HOME")
    places = [*([Path(home)] if home else []), prefix.parent, cwd, *cwd.parents]
    return next((place / _FOLDER for place in places if (place / _FOLDER).is_dir()), None)
