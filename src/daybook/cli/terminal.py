"""How commands speak: results on stdout, progress and errors on stderr; with `--json` one JSON document on stdout."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

from daybook.contract.errors import DaybookError, ExitCode, Faulty


class Terminal:
    """Where a command's words go.

    Args:
        as_json: whether a program reads stdout.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def interactive(self) -> bool:
        """Whether a person watches, so that lines may change in place."""
        return not self.as_json and self.err.is_terminal

    def say(self, text: str) -> None:
        """A line of progress, for people only."""
        if not self.as_json:
            self.err.print(text, markup=False)

    def line(self, text: str = "", style: str | None = None) -> None:
        """A line of the result, for people only; paths and addresses in it are never broken."""
        if not self.as_json:
            self.out.print(text, markup=False, style=style)

    def document(self, content: Any) -> None:
        """The result, for programs only."""
        if self.as_json:
            sys.stdout.write(json.dumps(content, indent=2, default=str) + "\n")

    def error(self, error: DaybookError) -> None:
        """An error, for whoever reads."""
        if self.as_json:
            self.document(error_document(error))
        else:
            self.err.print(f"error: {error}", markup=False, style="red")


def error_document(error: DaybookError) -> dict[str, Any]:
    """An error as `--json` shows it; in `docs/cli.md` for those who read it by program."""
    faults = error.faults if isinstance(error, Faulty) else ()
    return {
        "error": {
            "type": type(error).__name__,
            "message": error.summary if isinstance(error, Faulty) else str(error),
            "faults": [{"where": fault.where, "message": fault.message} for fault in faults],
            "actor": error.actor,
            "retry_helps": error.retry_helps,
            "exit_code": int(error.exit_code),
        }
    }


def usage_document(message: str) -> dict[str, Any]:
    """A mistyped command line as `--json` shows it."""
    return {
        "error": {
            "type": "Usage",
            "message": message,
            "faults": [],
            "actor": "user",
            "retry_helps": False,
            "exit_code": int(ExitCode.INVALID_REQUEST),
        }
    }
