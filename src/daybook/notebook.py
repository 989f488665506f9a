"""What a notebook imports: its outputs folder, results for its record, its workspace, its secrets, its Spark.

    from daybook.notebook import get_spark_session, outputs, record, workspace

Everything here works outside a run too, so that a notebook written interactively runs unchanged as a job.
"""

from __future__ import annotations

import datetime
import json
import math
import numbers
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from daybook.contract import variables

__all__ = ["Workspace", "get_spark_session", "outputs", "record", "secret", "workspace"]

MAX_RESULT_BYTES = 64 * 1024
"""A result is a small named value; what is larger belongs into a file below `outputs()`."""
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,127}"


@dataclass(frozen=True)
class Workspace:
    """Where this notebook runs.

    Attributes:
        name: the workspace; `local` outside a run.
        run_id: the run; None outside one.
        notebook: the notebook's id in the catalogue; None outside a run.
        user: on whose behalf it runs; None where nobody is named.
    """

    name: str
    run_id: str | None = None
    notebook: str | None = None
    user: str | None = None


def workspace() -> Workspace:
    """The workspace, run, notebook and user that this kernel works for."""
    return Workspace(
        name=os.environ.get(variables.WORKSPACE_VARIABLE) or "local",
        run_id=os.environ.get(variables.RUN_VARIABLE) or None,
        notebook=os.environ.get(variables.NOTEBOOK_VARIABLE) or None,
        user=os.environ.get(variables.USER_VARIABLE) or None,
    )


def outputs(*parts: str | os.PathLike[str]) -> Path:
    """The outputs folder, or a path in it, whose folder is there then: `outputs("plots", "delay.png")`.

    Every file below it becomes an output of the run. Outside a run it is `outputs` in the current folder.

    Raises:
        ValueError: the path would leave the folder.
    """
    root = Path(os.environ.get(variables.OUTPUTS_VARIABLE) or "outputs").absolute()
    path = root.joinpath(*parts)
    if not path.is_relative_to(root) or ".." in path.relative_to(root).parts:
        raise ValueError(f"{Path(*parts)} is not inside the outputs folder; give a relative path without '..'")
    folder = root if path == root else path.parent
    if not folder.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{Path(*parts)} leads out of the outputs folder through a link")
    folder.mkdir(parents=True, exist_ok=True)
    return path


def record(name: str, value: Any) -> Any:
    """Puts a small named value into the run's record, and returns it as JSON holds it.

    Numbers, text, booleans, None, dates, lists and dictionaries of them; numpy and pandas values become plain ones,
    dates ISO 8601, decimals numbers. Recorded again under the same name, the last value counts. Outside a run
    nothing is kept.

    Raises:
        ValueError: the name is no name, or JSON cannot hold the value (NaN, infinity), or it is too large.
        TypeError: the value is of a kind that JSON does not know.
    """
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise ValueError(f"{name!r} is no name for a result; use letters, digits and _, with a letter first")
    plain = _plain(value, name)
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    if len(text.encode("utf-8", "backslashreplace")) > MAX_RESULT_BYTES:
        raise ValueError(f"result {name!r} is larger than {MAX_RESULT_BYTES // 1024} KiB; write it below outputs()")
    _tell({"kind": "result", "name": name, "value": plain})
    return plain


def secret(name: str) -> str:
    """The value of a secret input.

    Raises:
        LookupError: this run was given no secret of that name.
    """
    value = os.environ.get(variables.SECRET_VARIABLE_PREFIX + name)
    if value is None:
        raise LookupError(
            f"this run has no secret {name!r}; name it as a secret input of the notebook, or outside a run set "
            f"{variables.SECRET_VARIABLE_PREFIX}{name}"
        )
    return value


def get_spark_session(
    app_name: str | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    local: bool = False,
    workspace: str | None = None,
    scheduler_pool: str | None = None,
    remote: str | None = None,
    ready_seconds: float = 60.0,
) -> Any:
    """A Spark session: on the Connect server given to the run, or started on this machine where there is none.

    It is the notebook's own, and its operations end with the notebook. Asked for again, it is the same one, with the
    new settings; one that its server has lost is an error, never silently another one.

    Args:
        app_name: names the application; the notebook's id unless given.
        settings: Spark settings, `{"spark.sql.shuffle.partitions": 4}`.
        local: start Spark on this machine although a server is given.
        workspace: says whose Spark this must be; a run has its own workspace's alone.
        scheduler_pool: of Spark's fair scheduler, for the jobs of the thread that asks; with `local` only.
        remote: attach to this Connect server instead, `sc://host:443/;use_ssl=true;token=…`; it gets no key of ours.
        ready_seconds: how long to wait for the server.

    Raises:
        daybook.contract.errors.DaybookError: one clear message on what is missing or will not do.
    """
    from daybook.spark.session import Asked
    from daybook.spark.session import get_spark_session as get

    asked = Asked(app_name, settings or {}, local, workspace, scheduler_pool, remote, ready_seconds)
    # The cell's output is where its author looks.
    return get(asked, os.environ, _tell, lambda text: print(text, flush=True))  # noqa: T201


def _tell(event: Mapping[str, Any]) -> None:
    path = os.environ.get(variables.RESULTS_VARIABLE)
    if not path:
        return
    line = (json.dumps(event) + "\n").encode()
    # One write in append mode: lines of several processes of a notebook do not mix.
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def _plain(value: Any, where: str) -> Any:
    """The value in JSON's own types; numpy and pandas are recognised by what they offer, never imported."""
    if value is None or isinstance(value, str | bool):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(each, f"{where}.{key}") for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, f"{where}[{at}]") for at, each in enumerate(value)]
    if isinstance(value, datetime.date | datetime.time) and value == value:  # pandas' NaT is not equal to itself
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Decimal | numbers.Real) and not hasattr(value, "dtype"):
        return _number(value, where)
    return _plain_of_library(value, where)


def _plain_of_library(value: Any, where: str) -> Any:
    kind = type(value).__module__.split(".", 1)[0]
    if type(value).__name__ in ("NaTType", "NAType"):
        raise ValueError(f"{where} is missing ({value}), which JSON cannot hold; record None instead")
    if kind == "numpy" and hasattr(value, "tolist") and getattr(value, "dtype", None) is not None:
        if value.dtype.kind in "mM":
            return _plain(value.astype(str).tolist(), where)
        return _plain(value.tolist(), where)
    if kind == "pandas" and hasattr(value, "tolist"):
        return _plain(value.tolist(), where)
    raise TypeError(
        f"{where} is a {type(value).__name__}, which JSON does not know; record numbers, text, lists and dictionaries, "
        "and write tables and figures below outputs()"
    )


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return key
    plain = _plain(key, where)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _number(value: Any, where: str) -> int | float:
    if not isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{where} is {number}, which JSON cannot hold; record None instead")
    return number
