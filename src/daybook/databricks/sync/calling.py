"""Calls the modules of `driver` on the cluster: sends their sources once, then data alone."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from daybook.databricks.model import Remote
from daybook.databricks.sync.errors import SyncFailed

_MODULES = ("base", "folder", "work", "requests")
"""In the order in which they need each other."""
_INSTALL = """
import sys, types
package = types.ModuleType(name)
package.__path__ = []
sys.modules[name] = package
for part, source in sources:
    module = types.ModuleType(name + "." + part)
    module.__package__ = name
    exec(compile(source, module.__name__, "exec"), module.__dict__)
    sys.modules[module.__name__] = module
"""
_SHOWN_CHARACTERS = 500


@dataclass
class Driver:
    """The driver's side of one folder.

    Attributes:
        name: the folder's.
        folder: where the project's files lie there, as the driver told.
    """

    name: str
    folder: str = ""
    _knows: bool = field(default=False, init=False)

    def ask(self, remote: Remote, do: str, *, pack: bytes = b"", plan: bytes = b"", **asked: Any) -> dict[str, Any]:
        """Asks for one thing, and returns what is told.

        Args:
            remote: runs our Python.
            do: the function of `driver.requests`.
            pack: blocks that go along.
            plan: what is to be done, deflated.
            asked: what else the function wants.

        Raises:
            SyncFailed: it could not be done; the text is the driver's.
            RemoteFailed: the driver could not be asked.
        """
        mark = f"daybook-{secrets.token_hex(8)}"
        request = json.dumps({"do": do, "name": self.name, "mark": mark, **asked}).encode()
        call = _call(mark, request, pack, plan)
        told = _found(mark, remote.run_python(call if self._knows else _sources() + call))
        if told.get("unknown"):  # another Python than the one that was told
            told = _found(mark, remote.run_python(_sources() + call))
        self._knows = True
        if "error" in told:
            raise SyncFailed(f"The driver could not take the project's files. It says: {told['error']}")
        self.folder = told["folder"]
        return told


def _call(mark: str, *arguments: bytes) -> str:
    """One expression, which leaves no name behind, and does not mind what names cells have given away."""
    literals = ", ".join(f'"{_literal(argument)}"' for argument in arguments)
    unknown = mark + ' {"unknown": true}'
    return (
        f"(lambda asked: __import__('builtins').print(asked.answer({literals}) if asked else '{unknown}'))"
        f"(__import__('sys').modules.get('{_package()}.requests'))\n"
    )


@cache
def _sources() -> str:
    """What makes the modules known there."""
    sources = json.dumps([[name, _source(name)] for name in _MODULES])
    read = "__import__('json').loads(__import__('zlib').decompress(__import__('base64').b64decode({})))"
    literal = f'"{_literal(zlib.compress(sources.encode(), 9))}"'
    return f"exec({_INSTALL!r}, {{'name': '{_package()}', 'sources': {read.format(literal)}}})\n"


@cache
def _package() -> str:
    """Their name there, which no other version of them has."""
    digest = hashlib.sha256("".join(map(_source, _MODULES)).encode()).hexdigest()
    return f"_daybook_driver_{digest[:16]}"


def _source(name: str) -> str:
    return (resources.files("daybook.databricks.sync.driver") / f"{name}.py").read_text("utf-8")


def _literal(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _found(mark: str, printed: str) -> dict[str, Any]:
    """The answer, among what else was printed meanwhile."""
    _, found, behind = printed.partition(mark)
    with suppress(ValueError):
        if found:
            told: dict[str, Any] = json.JSONDecoder().raw_decode(behind.lstrip())[0]
            return told
    raise SyncFailed(f"The driver's answer was not understood. It printed: {printed[:_SHOWN_CHARACTERS]!r}")
