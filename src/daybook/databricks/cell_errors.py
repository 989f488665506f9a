"""An error that a cell raised on the cluster: its name, its value and its traceback, out of what Databricks tells."""

from __future__ import annotations

import re
from html import unescape

from databricks.sdk.service.compute import Results

_TAG = re.compile(r"<[^<>]*>")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_NAMED = re.compile(r"\s*((?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*))(?::\s*(.*))?\s*", re.DOTALL)
UNNAMED = "DatabricksError"
"""What an error without a name of its own is called."""


class CellFailed(Exception):
    """A cell raised; nothing is wrong with the cluster.

    Attributes:
        name: the exception's class.
        value: its message.
        traceback: its lines.
    """

    def __init__(self, name: str, value: str, traceback: list[str]) -> None:
        super().__init__(name, value)
        self.name, self.value, self.traceback = name, value, traceback


def cell_error(results: Results) -> CellFailed:
    """The error in a result.

    Databricks gives a summary, one line in HTML, and as the cause the traceback as text; either may be missing.
    """
    summary = unescape(_TAG.sub("", results.summary or "")).strip()
    cause = (results.cause or "").strip("\n")
    lines = cause.splitlines() or summary.splitlines()
    plain = [_ANSI.sub("", line) for line in lines]
    for said in (summary, plain[-1] if plain else ""):
        match = _NAMED.fullmatch(said)
        if match and (match[3] is not None or len(said.split()) == 1):
            return CellFailed(match[2], (match[3] or "").strip(), lines)
    return CellFailed(UNNAMED, summary or (plain[-1] if plain else "the command failed"), lines)
