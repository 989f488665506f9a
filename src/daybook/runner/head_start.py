"""A head start for the kernel: its libraries load while the runner still reads what it is to do.

Most notebooks run in the Python kernel of the runner's own environment, and half of a small run is the time until that
kernel answers. So a process is started first of all that loads ipykernel and waits; once folder, variables and
connection are known it becomes the kernel, as `python -m ipykernel_launcher` would. Where another kernel is wanted, it
ends unused. This module loads next to nothing, so that it comes first indeed.

Where a Spark server is given, and the notebook mentions Spark as far as that can be seen here, the process goes on with
what Spark's client loads, two thirds of the time to a first query, until it is told what to become.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from daybook.contract.variables import REQUEST_VARIABLE, SPARK_REMOTE_VARIABLE

MARK_VARIABLE = "DAYBOOK_KERNEL"
"""In the kernel's environment, and that of all it starts: by it they are found when the run has ended."""
SPARKS_LIBRARIES = (
    "numpy",
    "pyarrow",
    "pandas",
    "grpc",
    "pyspark",
    "pyspark.sql.connect.client",
    "daybook.spark.connect",
)
"""What `get_spark_session` loads, in pieces of a quarter of a second at most: a kernel that is wanted waits for one."""
_PEEK_BYTES = 4 * 1024 * 1024
_BECOMES_KERNEL = """
import sys
del sys.path[0]
import json, os, select
from ipykernel import kernelapp
for name in sys.argv[1:]:
    if select.select([0], [], [], 0)[0]:
        break
    try:
        __import__(name)
    except ImportError:
        break
line = sys.stdin.readline()
if not line:
    sys.exit()
told = json.loads(line)
os.environ.clear()
os.environ.update(told["environment"])
os.chdir(told["folder"])
for name, flags, descriptors in ((os.devnull, os.O_RDONLY, (0,)), (told["log"], os.O_WRONLY | os.O_APPEND, (1, 2))):
    opened = os.open(name, flags)
    for descriptor in descriptors:
        os.dup2(opened, descriptor)
    os.close(opened)
sys.argv[1:] = told["arguments"]
kernelapp.launch_new_instance()
"""


class HeadStart:
    """A process that may become a kernel, once; a context manager that ends it if it did not."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Starts it.

        Args:
            environment: the runner's own variables.
        """
        token = secrets.token_hex(8)
        self.mark = f"{MARK_VARIABLE}={token}"
        given = {name: value for name, value in environment.items() if name != REQUEST_VARIABLE}
        self._variables = {MARK_VARIABLE: token}
        self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
            [sys.executable, "-c", _BECOMES_KERNEL, *(SPARKS_LIBRARIES if wants_spark(environment) else ())],
            env={"PYDEVD_DISABLE_FILE_VALIDATION": "1", **given, **self._variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def become(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes] | None:
        """The process, as the kernel that a command stands for; None where it cannot be that one, or has ended.

        Args:
            command: of a kernel, as it would be started.
            folder: the kernel's current folder.
            environment: all of its variables.
            log: the file that takes what its process prints; must be there.
        """
        process = self._process
        launcher = [sys.executable, "-m", "ipykernel_launcher"]
        if process is None or process.stdin is None or list(command[:3]) != launcher or process.poll() is not None:
            return None
        told = {
            "environment": {**environment, **self._variables},
            "folder": str(folder),
            "log": str(log),
            "arguments": list(command[3:]),
        }
        try:
            with process.stdin as pipe:
                pipe.write(json.dumps(told).encode() + b"\n")
        except OSError:
            return None  # it has ended just now
        self._process = None
        return process

    def close(self) -> None:
        """Ends the process if nothing has become of it; closing twice is fine."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def wants_spark(environment: Mapping[str, str]) -> bool:
    """Whether a kernel is likely to attach to Spark: a server is given, and the notebook does not rule it out."""
    if not environment.get(SPARK_REMOTE_VARIABLE):
        return False
    try:
        source = str(json.loads(environment.get(REQUEST_VARIABLE, ""))["notebook"]["source"])
        with Path(source.removeprefix("file://")).open("rb") as file:
            return b"spark" in file.read(_PEEK_BYTES).lower()
    except (ValueError, KeyError, TypeError, OSError):
        return True  # it lies elsewhere: nobody knows yet


def wants_one(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether a command line executes a notebook, as far as one can see at a glance."""
    if arguments[:1] != ["execute"] or {"-h", "--help"} & set(arguments):
        return False
    return len(arguments) > 1 or bool(environment.get(REQUEST_VARIABLE))
