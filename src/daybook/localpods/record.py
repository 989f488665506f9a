"""What localpods and the shim of a container tell each other.

`Launch` goes to the shim once, through a descriptor and never through a file name, since it holds secret values.
`Record` is what the shim leaves in the container's folder; it stays when the shim is gone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from daybook.localpods.files import write_atomically

Cause = Literal["exited", "oom", "deadline", "stopped", "start_error", "lost"]

RECORD_FILE: Final = "record.json"
LOG_FILE: Final = "log"
CONTROL_PIPE: Final = "control"
REPORT_PIPE: Final = "report"
SHIM_ERRORS_FILE: Final = "shim.err"


@dataclass(frozen=True)
class Launch:
    """What a shim is to run.

    Attributes:
        argv: the command and its arguments; the first is looked up on the PATH of `env`.
        env: the whole environment of the command.
        cwd: an existing folder.
        memory_limit_bytes: summed over all processes of the container; None is no limit.
        deadline: when the container is ended, seconds since the epoch; None is never.
        grace_seconds: from SIGTERM to SIGKILL at the deadline or when the shim itself is told to end.
    """

    argv: tuple[str, ...]
    env: dict[str, str] = field(repr=False)
    cwd: str
    memory_limit_bytes: int | None
    deadline: float | None
    grace_seconds: float

    def to_json(self) -> bytes:
        """The document `from_json` reads."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, document: bytes) -> Launch:
        """Reads what `to_json` wrote."""
        fields = json.loads(document)
        return cls(**{**fields, "argv": tuple(fields["argv"])})


@dataclass(frozen=True)
class ProcessId:
    """One process and no other: the number alone is given to a new process some day.

    Attributes:
        pid: the number.
        created: when the process began, seconds; since boot on Linux, since the epoch elsewhere.
    """

    pid: int
    created: float


@dataclass(frozen=True)
class Ending:
    """How a container ended.

    Attributes:
        exit_code: 0 to 255; 128 + n when signal n ended it.
        cause: what brought the end about.
        finished_at: seconds since the epoch.
        message: what a person should know beyond the code; empty when there is nothing.
        tail: the end of the container's output, as text.
    """

    exit_code: int
    cause: Cause
    finished_at: float
    message: str = ""
    tail: str = ""


@dataclass(frozen=True)
class Record:
    """The life of one container as its shim saw it.

    Attributes:
        shim: the shim.
        child: the container's first process, leader of a session of its own; None before it was started.
        started_at: when `child` was started, seconds since the epoch.
        ending: None while the container runs.
    """

    shim: ProcessId
    child: ProcessId | None = None
    started_at: float | None = None
    ending: Ending | None = None


def write_record(folder: Path, record: Record) -> None:
    """Puts the record into the container's folder."""
    write_atomically(folder / RECORD_FILE, json.dumps(asdict(record)).encode())


def read_record(folder: Path) -> Record | None:
    """The record in a container's folder; None when no shim has written one."""
    try:
        fields: dict[str, Any] = json.loads((folder / RECORD_FILE).read_bytes())
    except FileNotFoundError:
        return None
    return Record(
        shim=ProcessId(**fields["shim"]),
        child=ProcessId(**fields["child"]) if fields["child"] else None,
        started_at=fields["started_at"],
        ending=Ending(**fields["ending"]) if fields["ending"] else None,
    )
