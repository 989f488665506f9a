"""What the kernel is told: which cluster, how long, and which files to bring along."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class SyncSettings:
    """Which of the project's files are brought to the cluster before each cell.

    Attributes:
        enabled: whether any are.
        source: the folder, absolute; what it holds appears in the remote folder.
        exclude: patterns as in `.gitignore`, beside the ones that always hold.
        max_size_mb: all files together, in megabytes of 2**20 bytes; None for no limit.
        max_file_size_mb: one file; None for no limit.
        use_gitignore: whether `.gitignore` files hold.
    """

    enabled: bool = True
    source: Path = field(default_factory=Path.cwd)
    exclude: tuple[str, ...] = ()
    max_size_mb: float | None = None
    max_file_size_mb: float | None = None
    use_gitignore: bool = True
