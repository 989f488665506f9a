"""Reads parameter values from a JSON file, as `--parameters` names one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TextIO

from daybook.contract.errors import Fault, InvalidRequest

STDIN = Path("-")
"""Stands for standard input, as it does everywhere on a command line."""


def read_values(path: Path, stdin: TextIO | None = None) -> dict[str, Any]:
    """Return the object in a JSON file.

    Args:
        path: of the file; `-` for standard input.
        stdin: read for `-`; the process's own unless given.

    Raises:
        InvalidRequest: it cannot be read, or holds something else.
    """
    try:
        text = (stdin or sys.stdin).read() if path == STDIN else path.read_text(encoding="utf-8-sig")
        found = json.loads(text)
    except OSError as error:
        raise _refused(str(path), str(error.strerror or error)) from error
    except UnicodeDecodeError as error:
        raise _refused(str(path), "is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise _refused(f"{path}, line {error.lineno}", f"is not JSON: {error.msg}") from error
    except RecursionError as error:
        raise _refused(str(path), "is nested too deeply") from error
    if not isinstance(found, dict):
        raise _refused(str(path), "must hold a JSON object of values")
    return found


def _refused(where: str, message: str) -> InvalidRequest:
    return InvalidRequest("cannot read the parameters", [Fault(where, message)])
