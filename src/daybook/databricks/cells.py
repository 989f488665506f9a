"""What a cell asks for by its first line: the language, a shell, packages. Anything else is Python, as it stands."""

from __future__ import annotations

import ast
import json
import re
import shlex
from dataclasses import dataclass
from enum import StrEnum

from daybook.contract.errors import Fault, InvalidRequest

_SUPPORTED = "%python, %sql, %scala, %r, %sh, %pip, %restart_python and %md"
_UNSUPPORTED = {
    "%run": "import a module of the project in its place: the project's files are on the cluster",
    "%fs": "call dbutils.fs in its place",
    "%tensorboard": "it needs Databricks' own notebooks",
    "%conda": "use %pip",
}
_LEADING = re.compile(r"\A(?:\s*#[^\n]*\n)*\s*")
"""Comments and empty lines before the word that says what the cell is."""
_RESTART = "dbutils.library.restartPython()"
_RESTARTS = re.compile(r"\brestartPython\s*\(|^\s*%restart_python\b", re.MULTILINE)
"""Where it stands in a comment, one question too many is asked, and no more."""
_PARAMETERS = "# Parameters"
"""What papermill, and Daybook, write over the values that they give."""
_LITERALS = (ast.Constant, ast.Dict, ast.List, ast.UnaryOp, ast.USub, ast.Load)
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
        may_restart: whether it asks for a new Python process.
    """

    kind: Kind
    code: str
    may_restart: bool = False

    @property
    def is_parameters(self) -> bool:
        """Whether it sets the run's parameters, and nothing else: then it may run again."""
        if self.kind is not Kind.PYTHON or self.code.lstrip().split("\n", 1)[0].strip() != _PARAMETERS:
            return False
        try:
            body = ast.parse(self.code).body
        except (SyntaxError, ValueError):
            return False
        return all(isinstance(each, ast.Assign) and _is_plain(each) for each in body)


def read_cell(source: str) -> Cell:
    """What a cell asks for.

    Raises:
        InvalidRequest: it asks for what the kernel cannot do.
    """
    magic, rest = _magic_of(source)
    match magic:
        case "%python" | "%sql" | "%scala" | "%r":
            return Cell(Kind(magic[1:]), rest, may_restart=magic == "%python" and bool(_RESTARTS.search(rest)))
        case "%md":
            return Cell(Kind.MARKDOWN, rest)
        case "%sh":
            return Cell(Kind.PYTHON, _SHELL.format(told=_literal(["/bin/bash", "-c", rest])))
        case "%pip":
            return _pip(source)
        case "%restart_python":
            if rest.strip():  # the process ends before it
                fault = Fault(magic, f"must stand in a cell of its own, not before {rest.strip()[:60]!r}")
                raise InvalidRequest("the cell cannot run on the cluster", [fault])
            return Cell(Kind.PYTHON, f"{_RESTART}\n", may_restart=True)
    if magic in _UNSUPPORTED:
        fault = Fault(magic, f"is not supported; {_UNSUPPORTED[magic]}. Supported are {_SUPPORTED}")
        raise InvalidRequest("the cell cannot run on the cluster", [fault])
    return Cell(Kind.PYTHON, source, may_restart=bool(_RESTARTS.search(source)))


def _magic_of(source: str) -> tuple[str, str]:
    """The first word of the first line that is not empty, and all that comes after it."""
    rest = _LEADING.sub("", source)
    words = rest.split(None, 1)
    if not words or not words[0].startswith("%"):
        return "", source
    return words[0], rest[len(words[0]) :].lstrip(" \t").removeprefix("\n")


def _is_plain(assignment: ast.Assign) -> bool:
    """Whether a name is given a value that no code makes, but for `float('nan')` and its like."""
    nodes = [node for node in ast.walk(assignment.value) if not isinstance(node, _LITERALS)]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    floats = [node.func for node in calls if isinstance(node.func, ast.Name) and node.func.id == "float"]
    plain = len(calls) == len(floats) and all(node in calls or node in floats for node in nodes)
    return plain and all(isinstance(each, ast.Name) for each in assignment.targets)


def _pip(source: str) -> Cell:
    """Packages are brought; Python may be restarted after them, in the same cell, as people write it at Databricks."""
    lines = [line.strip() for line in source.splitlines() if line.strip() and not line.strip().startswith("#")]
    restarts = lines[-1] in (_RESTART, "%restart_python")
    code = _PIP.format(told=_literal(_pip_lines(lines[:-1] if restarts else lines)))
    # Not our pip, but a runtime may find that Python must be started anew.
    return Cell(Kind.PYTHON, f"{code}{_RESTART}\n" if restarts else code, may_restart=True)


def _pip_lines(lines: list[str]) -> list[list[str]]:
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
