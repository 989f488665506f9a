"""What a cell asks for by its first line: the language, a shell, packages. Anything else is Python, as it stands."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from enum import StrEnum

from daybook.contract.errors import Fault, InvalidRequest

_SUPPORTED = "%python, %sql, %scala, %r, %sh, %pip and %md"
_UNSUPPORTED = {
    "%run": "import a module of the project in its place: the project's files are on the cluster",
    "%fs": "call dbutils.fs in its place",
    "%tensorboard": "it needs Databricks' own notebooks",
    "%conda": "use %pip",
}
_LEADING = re.compile(r"\A(?:\s*#[^\n]*\n)*\s*")
"""Comments and empty lines before the word that says what the cell is."""
_SHELL = """
def _daybook_shell(told):
    import json, subprocess
    ended = subprocess.run(json.loads(told), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    said = ended.stdout.decode('utf-8', 'replace')
    print(said, end='')
    if ended.returncode:
        raise RuntimeError('it ended with exit code %d: %s' % (ended.returncode, said[-2000:]))
_daybook_shell({told!r})
"""
_PIP = """
def _daybook_pip(told):
    import importlib, json, subprocess, sys
    for arguments in json.loads(told):
        command = [sys.executable, '-m', 'pip', *arguments]
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        said = ended.stdout.decode('utf-8', 'replace')
        print(said, end='')
        if ended.returncode:
            raise RuntimeError('pip ended with exit code %d: %s' % (ended.returncode, said[-2000:]))
    importlib.invalidate_caches()
_daybook_pip({told!r})
"""


class Kind(StrEnum):
    """How a cell is run. The languages' values are Databricks' own."""

    PYTHON = "python"
    SQL = "sql"
    SCALA = "scala"
    R = "r"
    MARKDOWN = "markdown"


@dataclass(frozen=True)
class Cell:
    """A cell to be run.

    Attributes:
        kind: in which language, or not at all.
        code: for the cluster; for markdown, its text.
    """

    kind: Kind
    code: str


def read_cell(source: str) -> Cell:
    """What a cell asks for.

    Raises:
        InvalidRequest: it asks for what the kernel cannot do.
    """
    magic, rest = _magic_of(source)
    match magic:
        case "%python" | "%sql" | "%scala" | "%r":
            return Cell(Kind(magic[1:]), rest)
        case "%md":
            return Cell(Kind.MARKDOWN, rest)
        case "%sh":
            return Cell(Kind.PYTHON, _SHELL.format(told=_literal(["/bin/bash", "-c", rest])))
        case "%pip":
            return Cell(Kind.PYTHON, _PIP.format(told=_literal(_pip_lines(source))))
    if magic in _UNSUPPORTED:
        fault = Fault(magic, f"is not supported; {_UNSUPPORTED[magic]}. Supported are {_SUPPORTED}")
        raise InvalidRequest("the cell cannot run on the cluster", [fault])
    return Cell(Kind.PYTHON, source)


def _magic_of(source: str) -> tuple[str, str]:
    """The first word of the first line that is not empty, and all that comes after it."""
    rest = _LEADING.sub("", source)
    words = rest.split(None, 1)
    if not words or not words[0].startswith("%"):
        return "", source
    return words[0], rest[len(words[0]) :].lstrip(" \t").removeprefix("\n")


def _pip_lines(source: str) -> list[list[str]]:
    lines = [line.strip() for line in source.splitlines() if line.strip() and not line.strip().startswith("#")]
    others = [line for line in lines if not line.startswith("%pip ")]
    if others:
        fault = Fault("%pip", f"must stand in a cell of its own, not with {others[0][:60]!r}")
        raise InvalidRequest("the cell cannot run on the cluster", [fault])
    try:
        return [shlex.split(line.removeprefix("%pip ")) for line in lines]
    except ValueError as error:
        raise InvalidRequest("the cell cannot run on the cluster", [Fault("%pip", str(error))]) from error


def _literal(value: object) -> str:
    """A value as JSON in ASCII, which `repr` makes a literal of that nothing can break out of."""
    return json.dumps(value)
