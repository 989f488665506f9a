"""Small looks into outputs that are tables, made where the library that reads them is.

A file that a notebook wrote may crash its reader or never end: it is read in a process of its own, which gets nothing
of the environment and little time. Whatever becomes of that is no matter of the run.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

from daybook.runner.outputs import OutputFile

PARQUET = "application/vnd.apache.parquet"
MAX_FILES = 10
MAX_FILE_BYTES = 256 * 1024 * 1024
"""Of larger files already the list of their parts may be long."""
SECONDS = 15.0
"""For all of them; most of it is the time that pyarrow takes to load."""


def previews_of(outputs: Iterable[OutputFile], say: Callable[[str], None]) -> dict[str, Any]:
    """Looks into the tables among the outputs, where pyarrow is installed.

    Returns:
        Documents (`TablePreview`) by the output's path.
    """
    tables = [each for each in outputs if each.media_type == PARQUET and each.size <= MAX_FILE_BYTES][:MAX_FILES]
    if not tables or importlib.util.find_spec("pyarrow") is None:
        return {}
    command = [sys.executable, "-m", "daybook.runner.preview", *(str(each.file) for each in tables)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS, cwd="/", env={}
        )
        written = done.stdout
    except subprocess.TimeoutExpired as error:
        say(f"no previews of all tables: they were not read within {SECONDS:.0f} s")
        written = error.stdout or b""
    except OSError as error:
        say(f"no previews of tables: {error.strerror or error}")
        return {}
    # One line for each file, in their order, as far as it came.
    found = (json.loads(line) for line in written.split(b"\n")[:-1])
    return {table.path: document for table, document in zip(tables, found, strict=False) if document is not None}
