"""What runs in a context's process: reads commands, runs them, tells their result as the API would.

`display` shows rows (a list of mappings, or anything with `columns` and `itertuples`, as data frames have) as a table
and bytes of a PNG as an image. The value of a last expression is printed, as notebooks do.
"""

from __future__ import annotations

import ast
import base64
import builtins
import getpass
import io
import json
import os
import signal
import sqlite3
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO


class Said(io.TextIOBase):
    """Standard output of a command: told as it comes, and kept for the result."""

    def __init__(self, tell: Any) -> None:
        self.parts: list[str] = []
        self._tell = tell

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"string argument expected, got {type(text).__name__!r}")
        self.parts.append(text)
        self._tell({"printed": text})
        return len(text)


class Events:
    """What the runtimes' IPython calls before each cell."""

    def __init__(self) -> None:
        self.events = self
        self._before: list[Any] = []

    def register(self, event: str, call: Any) -> None:
        assert event == "pre_run_cell"
        self._before.append(call)

    def trigger(self) -> None:
        builtins.input = getpass.getpass = _no_input
        for call in list(self._before):
            call(None)


def _no_input(prompt: str = "") -> str:
    raise RuntimeError("raw_input was called, but this frontend does not support input requests.")


class Restarted(BaseException):
    """The command asked for a new Python process."""


def _restart() -> None:
    raise Restarted


class Python:
    """A namespace, and what its commands showed."""

    def __init__(self) -> None:
        self._shell = Events()
        builtins.get_ipython = lambda: self._shell  # type: ignore[attr-defined]
        self.names: dict[str, Any] = {
            "__name__": "__main__",
            "display": self.display,
            "displayHTML": self.html,
            "dbutils": SimpleNamespace(library=SimpleNamespace(restartPython=_restart)),
        }
        self.shown: list[dict[str, Any]] = []

    def display(self, value: Any) -> None:
        if isinstance(value, bytes):
            data = "data:image/png;base64," + base64.b64encode(value).decode()
            self.shown.append({"resultType": "image", "fileName": data})
            return
        if hasattr(value, "itertuples"):
            value = [dict(zip(value.columns, row, strict=True)) for row in value.itertuples(index=False)]
        columns = list(value[0]) if value else []
        schema = [{"name": name, "type": json.dumps(_type(value[0][name])), "metadata": "{}"} for name in columns]
        data = [[row[name] for name in columns] for row in value]
        self.shown.append({"resultType": "table", "schema": schema, "data": data, "truncated": False})

    def html(self, text: str) -> None:
        sys.stdout.write(text + "\n")

    def run(self, code: str, said: Said) -> dict[str, Any]:
        self.shown = []
        self._shell.trigger()
        tree = ast.parse(code, "<command>")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<command>", "exec"), self.names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "<command>", "eval"), self.names)
            if value is not None:
                said.write(repr(value) + "\n")
        images = [each["fileName"] for each in self.shown if each["resultType"] == "image"]
        if len(images) > 1:
            return {"resultType": "images", "fileNames": images}
        return self.shown[-1] if self.shown else {"resultType": "text", "data": "".join(said.parts).rstrip("\n")}


class Sql:
    """SQLite in the place of Spark SQL."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:")

    def run(self, code: str, _: Said) -> dict[str, Any]:
        cursor = self._database.execute(code)
        if cursor.description is None:
            return {"resultType": "text", "data": ""}
        schema = [{"name": each[0], "type": '"string"', "metadata": "{}"} for each in cursor.description]
        return {"resultType": "table", "schema": schema, "data": [list(row) for row in cursor], "truncated": False}


def _interruptible(runner: Python | Sql, code: str, said: Said) -> dict[str, Any]:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return runner.run(code, said)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _type(value: Any) -> str:
    return {bool: "boolean", int: "long", float: "double"}.get(type(value), "string")


def _error(error: BaseException) -> dict[str, Any]:
    name, text = type(error).__name__, str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    lines = "".join(traceback.format_exception(type(error), error, trace)).rstrip("\n")
    summary = f'<span class="ansi-red-fg">{name}</span>: {text}'
    return {"resultType": "error", "summary": summary, "cause": lines}


def main(commands: TextIO, results: TextIO, language: str) -> None:
    def tell(document: dict[str, Any]) -> None:
        results.write(json.dumps(document, default=str) + "\n")
        results.flush()

    runner = Sql() if language == "sql" else Python()
    for line in commands:
        said = Said(tell)
        sys.stdout = sys.stderr = said  # type: ignore[assignment]
        try:
            result = _interruptible(runner, json.loads(line)["code"], said)
        except Restarted:
            tell({"result": {"resultType": "text", "data": "".join(said.parts).rstrip("\n")}, "restart": True})
            return
        except BaseException as error:
            result = _error(error)
        tell({"result": result})


def mount(folder: str) -> None:
    """Lets `open` find the files of the Databricks workspace below `/Workspace`, as a cluster's mount does."""
    usual = open

    def mounted(file: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, str) and file.startswith("/Workspace/"):
            file = folder + file.removeprefix("/Workspace")
        return usual(file, *args, **kwargs)

    builtins.open = mounted


if __name__ == "__main__":
    mount(os.environ.pop("STAND_IN_WORKSPACE"))
    # What a notebook imports lies where it runs, not beside this file.
    sys.path[0] = str(Path.cwd())
    main(os.fdopen(int(sys.argv[1])), os.fdopen(int(sys.argv[2]), "w"), sys.argv[3])
