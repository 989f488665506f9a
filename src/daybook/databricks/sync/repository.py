"""Where git keeps its patterns outside of the files that are shared: told by the repository and by git's settings."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

GIT_SECONDS = 10
"""After which git is not waited for: it reads a few small files."""


def repository_of(folder: Path) -> Path | None:
    """The top of the repository that the folder belongs to."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)


def info_exclude(top: bytes) -> bytes:
    """The file of patterns that a repository shares with nobody; those of worktrees and submodules lie elsewhere."""
    git = os.path.join(top, b".git")
    if os.path.isfile(git):
        git = os.path.join(top, _line(git).removeprefix(b"gitdir:").strip())
    return os.path.join(git, _line(os.path.join(git, b"commondir")), b"info", b"exclude")


def excludes_file(folder: Path, environment: Mapping[str, str]) -> Path | None:
    """A person's own patterns for all repositories: git's `core.excludesFile`, or where git looks without one.

    Args:
        folder: a folder of the repository, whose configuration counts.
        environment: the process's.
    """
    return _configured(folder, environment) or _usual(environment)


def _configured(folder: Path, environment: Mapping[str, str]) -> Path | None:
    git = shutil.which("git", path=environment.get("PATH"))
    if git is None:
        return None
    command = [git, "config", "--type=path", "--get", "core.excludesFile"]
    with suppress(OSError, subprocess.TimeoutExpired):
        asked = subprocess.run(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
        )
        told = os.fsdecode(asked.stdout.removesuffix(b"\n"))
        return folder / told if asked.returncode == 0 and told else None
    return None


def _usual(environment: Mapping[str, str]) -> Path | None:
    configuration = environment.get("XDG_CONFIG_HOME")
    if configuration:
        return Path(configuration, "git", "ignore")
    home = environment.get("HOME")
    return Path(home, ".config", "git", "ignore") if home else None


def _line(path: bytes) -> bytes:
    with suppress(OSError), open(path, "rb") as file:
        return file.readline().strip()
    return b""
