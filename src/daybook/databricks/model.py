"""The seams of this room: what runs internal code on the cluster, and what brings the project's files there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Remote(Protocol):
    """Runs Daybook's own Python in the kernel's context on the cluster."""

    def run_python(self, code: str, *, limit_seconds: float | None = None) -> str:
        """Runs code of ours, never of a notebook, and returns the text that it printed.

        Args:
            code: Python for the cluster's driver.
            limit_seconds: after which it is cancelled; None takes the kernel's own limit for commands.

        Raises:
            RemoteFailed: it raised, was cancelled, took too long, or the cluster could not be asked.
        """
        ...


@dataclass(frozen=True)
class SyncReport:
    """What one synchronisation did.

    Attributes:
        files: how many files the remote folder holds.
        sent_files: how many of them had to be sent.
        sent_bytes: what travelled for them.
        removed_files: how many were removed there.
        seconds: all of it took.
        notes: what a person should know, one sentence each: links that were skipped and the like.
    """

    files: int
    sent_files: int = 0
    sent_bytes: int = 0
    removed_files: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


class Synchroniser(Protocol):
    """Keeps a remote folder the same as the project's."""

    @property
    def remote_folder(self) -> str:
        """Where the project's files lie on the cluster's driver; private to the user, the project and the run."""
        ...

    def synchronise(self, remote: Remote) -> SyncReport:
        """Makes the remote folder the same as the local one.

        Raises:
            RemoteFailed: the cluster's side failed; what lies there is not to be used.
            DaybookError: the local side failed: limits, unreadable files.
        """
        ...

    def remove(self, remote: Remote | None) -> None:
        """Removes the remote folder, and what was needed to bring it there, and nothing else; calling it again is fine.

        Args:
            remote: None where it cannot be asked any more; then what lies elsewhere is removed.

        Raises:
            RemoteFailed: the cluster's side failed.
        """
        ...
