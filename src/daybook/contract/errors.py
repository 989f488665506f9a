"""The one error tree of Daybook.

Each class says who must act and whether trying again helps; `exit_code` is what a process ends with.

    DaybookError
    ├── Faulty                  user      no retry  exit 2   common to the two: a summary and every fault
    │   ├── InvalidRequest      user      no retry  exit 2   the request, its parameters or its notebook source
    │   │   └── NotAllowed      user      no retry  exit 2   this user may not do this in this workspace
    │   └── InvalidSettings     operator  no retry  exit 2   workspaces, catalogue or environment are wrong
    ├── NotebookFailed          user      no retry  exit 1   a cell raised, ran too long or ended the kernel
    ├── RunInterrupted          user      no retry  exit 143 somebody or something ended the run from outside
    └── InfrastructureFailed    operator  retry     exit 3   the world around the notebook
        ├── StoreFailed         operator  retry     exit 3   the bucket could not be read or written
        │   │                                                (the rest of this branch stands in `storage`)
        │   ├── ObjectMissing   operator  no retry  exit 3   there is no such object
        │   ├── StoreRefused    operator  no retry  exit 3   it cannot be done at all: no bucket, no such key
        │   ├── ObjectTooLarge  operator  no retry  exit 3   it is larger than anything that belongs there
        │   ├── ObjectChanged   operator  retry     exit 3   somebody else has written the object meanwhile
        │   ├── UnreadableManifest operator no retry exit 3  what lies there is no manifest of this version
        │   └── StaleAttempt    operator  no retry  exit 3   a newer attempt has taken over the record
        ├── KernelUnavailable   operator  retry     exit 3   the kernel did not start or stopped answering
        └── NotIsolated         operator  retry     exit 3   the network lets the pod reach what it must not
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Literal

Actor = Literal["user", "operator"]


class ExitCode(IntEnum):
    """How a runner or command ends. The operator maps these back to states; see `docs/manifest.md`."""

    SUCCEEDED = 0
    NOTEBOOK_FAILED = 1
    INVALID_REQUEST = 2
    INFRASTRUCTURE_FAILED = 3
    INTERRUPTED = 143


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with what was given.

    Attributes:
        where: the place a person would look for it: an input's name, a file and line, a field's path.
        message: what is wrong and what would be right, one sentence without a full stop.
    """

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class DaybookError(Exception):
    """Base of all errors that Daybook raises on purpose; its text is one clear message for `actor`."""

    actor: ClassVar[Actor] = "operator"
    retry_helps: ClassVar[bool] = False
    exit_code: ClassVar[ExitCode] = ExitCode.INFRASTRUCTURE_FAILED


class Faulty(DaybookError):
    """Something given is not as it must be. Carries every fault, not only the first."""

    actor: ClassVar[Actor] = "user"
    exit_code = ExitCode.INVALID_REQUEST

    def __init__(self, summary: str, faults: Iterable[Fault] = ()) -> None:
        self.summary = summary
        self.faults = tuple(faults)
        super().__init__(summary, self.faults)

    def __str__(self) -> str:
        if not self.faults:
            return self.summary
        if len(self.faults) == 1:
            return f"{self.summary}: {self.faults[0]}"
        return f"{self.summary}:" + "".join(f"\n  - {fault}" for fault in self.faults)


class InvalidRequest(Faulty):
    """What was asked for cannot be done as asked."""


class NotAllowed(InvalidRequest):
    """The user may not run this notebook in this workspace."""


class InvalidSettings(Faulty):
    """A file that an operator wrote (workspaces, catalogue, environment) is not as it must be."""

    actor: ClassVar[Actor] = "operator"


class NotebookFailed(DaybookError):
    """The notebook itself ended the run; the manifest names the cell."""

    actor: ClassVar[Actor] = "user"
    exit_code = ExitCode.NOTEBOOK_FAILED


class RunInterrupted(DaybookError):
    """The run was ended from outside before the notebook was through."""

    actor: ClassVar[Actor] = "user"
    exit_code = ExitCode.INTERRUPTED


class InfrastructureFailed(DaybookError):
    """The world around the notebook failed; the same request may well succeed later."""

    retry_helps = True


class StoreFailed(InfrastructureFailed):
    """The bucket could not be read or written."""


class KernelUnavailable(InfrastructureFailed):
    """The notebook's kernel did not start or stopped answering."""


class NotIsolated(InfrastructureFailed):
    """The network lets the pod reach what it must not, and its workspace wants it to be closed."""
