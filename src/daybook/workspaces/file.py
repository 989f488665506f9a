"""The file that lists workspaces: YAML, read and checked whole, with every fault named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from daybook.contract.errors import Fault, InvalidSettings
from daybook.workspaces.lines import line_at, lines_of
from daybook.workspaces.pod_settings import FOLDER
from daybook.workspaces.workspace import Workspaces
from daybook.workspaces.yaml_reading import UniqueKeys


def load_workspaces(path: Path) -> Workspaces:
    """Reads and checks `workspaces.yaml`.

    Raises:
        InvalidSettings: the file is not there or not as it must be; every fault is named.
    """
    return parse_workspaces(read_file(path), path)


def read_file(path: Path) -> str:
    """The text of a file.

    Raises:
        InvalidSettings: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidSettings("cannot read the workspaces", [Fault(str(path), str(error.strerror))]) from error
    except UnicodeDecodeError as error:
        raise InvalidSettings("cannot read the workspaces", [Fault(str(path), "is not UTF-8 text")]) from error


def parse_workspaces(text: str, path: Path) -> Workspaces:
    """Checks what `workspaces.yaml` says.

    Args:
        text: the file's content.
        path: the file, which faults name.

    Raises:
        InvalidSettings: it is not as it must be; file, line and reason of every fault are named.
    """
    try:
        content = yaml.load(text, UniqueKeys)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise InvalidSettings("the workspaces are not YAML", [_syntax_fault(path, error)]) from error
    try:
        return Workspaces.model_validate(content, context={FOLDER: path.parent})
    except ValidationError as error:
        raise InvalidSettings("the workspaces are not as they must be", _faults(path, text, content, error)) from error


def _syntax_fault(path: Path, error: yaml.YAMLError) -> Fault:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    where = str(path) if mark is None else f"{path}, line {mark.line + 1}"
    return Fault(where, " ".join(str(problem).split()))


def _faults(path: Path, text: str, content: Any, error: ValidationError) -> Iterator[Fault]:
    lines = lines_of(text)
    for each in error.errors(include_url=False):
        place = tuple(part for part in each["loc"] if part != "[key]")
        line = line_at(lines, place)
        file = str(path) if line is None else f"{path}, line {line}"
        if not isinstance(content, dict):
            yield Fault(file, "must hold `workspaces:` with a list of workspaces below it")
            continue
        named = ".".join(map(str, place))
        where = ": ".join(part for part in (file, named and f"{named}{_name_at(content, each['loc'])}") if part)
        yield Fault(where, each["msg"].removeprefix("Value error, "))


def _name_at(content: Any, place: tuple[int | str, ...]) -> str:
    """The name of the workspace that a place lies in, since nobody counts list items."""
    if len(place) < 2 or not isinstance(place[1], int):
        return ""
    entry = content["workspaces"][place[1]] if isinstance(content, dict) else None
    return f" (workspace {entry['name']!r})" if isinstance(entry, dict) and isinstance(entry.get("name"), str) else ""
