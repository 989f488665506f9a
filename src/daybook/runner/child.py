"""`python -m daybook.runner.child`: the runner as a child process of a worker, where there is no pod around it.

One JSON line on standard input holds the request and the bucket's credentials: these are the runner's alone, and the
kernel, which gets the process's variables, does not see them. When standard input ends, the parent is gone: the run
ends as if it had been told to.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from daybook.contract.errors import DaybookError, ExitCode
from daybook.contract.variables import REQUEST_VARIABLE
from daybook.runner.head_start import HeadStart


@dataclass(frozen=True)
class Told:
    """What the parent says.

    Attributes:
        request: the request's document.
        store: variables with the bucket's credentials.
    """

    request: str
    store: Mapping[str, str]

    def to_line(self) -> bytes:
        """As one line of JSON."""
        return json.dumps({"request": self.request, "store": dict(self.store)}).encode() + b"\n"

    @classmethod
    def read(cls, stream: BinaryIO) -> Told | None:
        """The line that the parent wrote; None where it is gone already."""
        line = stream.readline()
        if not line.endswith(b"\n"):
            return None
        told = json.loads(line)
        return cls(told["request"], told["store"])


def main() -> None:
    """Runs, and leaves at once, as the runner of a pod does."""
    with HeadStart(os.environ) as head_start:
        code = run(sys.stdin.buffer, sys.stdout, os.environ, head_start)
    sys.stdout.flush()
    os._exit(code)


def run(stdin: BinaryIO, stream: TextIO, environment: Mapping[str, str], head_start: HeadStart | None) -> ExitCode:
    """Executes what the parent says; an error that no manifest can tell of is one line on the stream."""
    told = Told.read(stdin)
    if told is None:
        return ExitCode.INTERRUPTED
    threading.Thread(target=_end_with_parent, args=(stdin,), name="parent-watch", daemon=True).start()
    from daybook.runner.execute import execute
    from daybook.runner.main import request_from_environment

    try:
        request = request_from_environment({REQUEST_VARIABLE: told.request})
        return execute(
            request,
            {**told.store, **environment},
            scratch=Path(tempfile.gettempdir()),
            stream=stream,
            head_start=head_start,
            withheld=told.store.keys() - environment.keys(),
        )
    except DaybookError as error:
        stream.write(f"{error}\n")
        stream.flush()
        return error.exit_code


def _end_with_parent(stdin: BinaryIO) -> None:
    while stdin.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
