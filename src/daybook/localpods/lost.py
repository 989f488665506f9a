"""Containers whose shim did not live to record their end: end what is left, and record the truth in its place."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from daybook.localpods.processes import identity, kill_leftovers
from daybook.localpods.record import Ending, Record, write_record

_KILLED: Final = 137
_START_FAILED: Final = 128


def never_started(folder: Path, errors: str) -> Record:
    """For a shim that ended before it had recorded anything: it never came to start the container."""
    why = f"the process that should start the container failed: {errors or 'it gave no reason'}"
    record = Record(identity(os.getpid()), ending=Ending(_START_FAILED, "start_error", time.time(), why))
    write_record(folder, record)
    return record


def killed_under_way(folder: Path, record: Record, home: Path | None) -> Record:
    """For a shim that was seen to end without a record."""
    why = f"the process that watched over this container (pid {record.shim.pid}) was killed, and the container with it"
    return _lost(folder, record, home, why)


def found_dead(folder: Path, record: Record, home: Path | None) -> Record:
    """For a shim that was gone when localpods started."""
    why = (
        f"localpods started and found neither the process that watched over this container (pid {record.shim.pid}) nor "
        "a record of its end: the machine was restarted, or that process was killed"
    )
    return _lost(folder, record, home, why)


def _lost(folder: Path, record: Record, home: Path | None, why: str) -> Record:
    kill_leftovers(record.child, None if home is None else str(home))
    lost = replace(record, ending=Ending(_KILLED, "lost", time.time(), why))
    write_record(folder, lost)
    return lost
