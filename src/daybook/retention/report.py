"""What a sweep of one workspace did: a line for each thing, and the sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def _silent(line: str) -> None:
    """Says nothing."""


@dataclass
class Report:
    """Counts, and the lines as they come.

    Attributes:
        workspace: which was swept.
        dry_run: whether nothing was done, only told.
        say: hears each line.
        lines: all that was said.
    """

    workspace: str
    dry_run: bool = False
    say: Callable[[str], None] = _silent
    runs_sealed: int = 0
    runs_removed: int = 0
    bytes_freed: int = 0
    pods_removed: int = 0
    secrets_removed: int = 0
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def sealed(self, run: str, why: str) -> None:
        """A run was sealed."""
        self.runs_sealed += 1
        self._did("sealed as lost", "seal as lost", f"run {run}: {why}")

    def removed_run(self, run: str, size: int, why: str) -> None:
        """A run was removed."""
        self.runs_removed += 1
        self.bytes_freed += size
        self._did("removed", "remove", f"run {run} ({size} bytes): {why}")

    def removed_pod(self, pod: str, why: str) -> None:
        """A pod was deleted."""
        self.pods_removed += 1
        self._did("removed", "remove", f"pod {pod}: {why}")

    def removed_secret(self, secret: str, why: str) -> None:
        """A Secret was deleted."""
        self.secrets_removed += 1
        self._did("removed", "remove", f"Secret {secret}: {why}")

    def warn(self, line: str) -> None:
        """Something that a person should know, and that is no failure of the sweep."""
        self.warnings.append(line)
        self._say(f"warning: {line}")

    def fail(self, line: str) -> None:
        """Something that the sweep could not do; the next one tries again."""
        self.failures.append(line)
        self._say(f"failed: {line}")

    def document(self) -> dict[str, Any]:
        """The sums, small enough for XCom whatever was done."""
        return {
            "workspace": self.workspace,
            "dry_run": self.dry_run,
            "runs_sealed": self.runs_sealed,
            "runs_removed": self.runs_removed,
            "bytes_freed": self.bytes_freed,
            "pods_removed": self.pods_removed,
            "secrets_removed": self.secrets_removed,
            "warnings": len(self.warnings),
            "failures": len(self.failures),
        }

    def summary(self) -> str:
        """The sums in one line."""
        verb = "would be" if self.dry_run else "were"
        return (
            f"workspace {self.workspace}: {self.runs_sealed} runs {verb} sealed, {self.runs_removed} runs with "
            f"{self.bytes_freed} bytes, {self.pods_removed} pods and {self.secrets_removed} Secrets {verb} removed; "
            f"{len(self.warnings)} warnings, {len(self.failures)} failures"
        )

    def _did(self, done: str, would: str, what: str) -> None:
        self._say(f"would {would} {what}" if self.dry_run else f"{done} {what}")

    def _say(self, line: str) -> None:
        self.lines.append(line)
        self.say(line)
