"""How commands speak: results on stdout, progress and errors on stderr; with `--json` one JSON document on stdout."""

from __future__ import annotations

import json
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from daybook.contract.errors import DaybookError, ExitCode, Faulty

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDE = 1000


class Terminal:
    """Where a command's words go.

    Args:
        as_json: whether a program reads stdout.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    @cached_property
    def out(self) -> Console:
        """Stdout for tables. Rich is loaded only here: most commands say a few plain lines."""
        from rich.console import Console

        return Console(highlight=False, soft_wrap=True)

    @cached_property
    def err(self) -> Console:
        """Stderr for what changes in place."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def interactive(self) -> bool:
        """Whether a person watches, so that lines may change in place."""
        return not self.as_json and sys.stderr.isatty()

    def say(self, text: str) -> None:
        """A line of progress, for people only."""
        if self.interactive:
            self.err.print(text, markup=False)  # above what changes in place
        elif not self.as_json:
            sys.stderr.write(f"{text}\n")

    def line(self, text: str = "", style: str | None = None) -> None:
        """A line of the result, for people only; paths and addresses in it are never broken."""
        if self.as_json:
            return
        if style and sys.stdout.isatty():
            self.out.print(text, markup=False, style=style)
        else:
            sys.stdout.write(f"{text}\n")

    def table(self, table: Table) -> None:
        """A table; where no person looks at it, as wide as it needs to be."""
        if not self.out.is_terminal:
            self.out.width = _WIDE
        self.out.print(table)

    def document(self, content: Any) -> None:
        """The result, for programs only."""
        if self.as_json:
            sys.stdout.write(json.dumps(content, indent=2, default=str) + "\n")

    def error(self, error: DaybookError) -> None:
        """An error, for whoever reads."""
        if self.as_json:
            self.document(error_document(error))
        else:
            self.complain(str(error))

    def complain(self, text: str) -> None:
        """What went wrong, for people."""
        if sys.stderr.isatty():
            self.err.print(f"error: {text}", markup=False, style="red")
        else:
            sys.stderr.write(f"error: {text}\n")


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
