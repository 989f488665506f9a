"""Which files stay at home: what git would ignore, what the settings exclude, and what never travels."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from daybook.databricks.sync.patterns import Patterns
from daybook.databricks.sync.repository import info_exclude, repository_of

REPOSITORIES = frozenset({b".git", b".hg", b".svn", b".bzr", b".jj", b".sl", b"_darcs", b"CVS"})
"""What version control keeps beside the files: large, private, and of no use to a cell."""
OWN_STATE = frozenset({b".databricks", b".daybook"})
"""What tools keep for themselves: Databricks' own, and Daybook's local stack with its secrets."""
MADE_BY_PYTHON = frozenset({b"__pycache__", b".ipynb_checkpoints"})
"""What Python and Jupyter make again by themselves, on each machine anew."""
CREDENTIALS = frozenset(
    {b".ssh", b".gnupg", b".aws", b".azure", b".kube", b".databrickscfg", b".netrc", b".git-credentials", b".pypirc"}
)
"""What a home folder keeps for its owner alone, should a kernel be started in one."""
NEVER = REPOSITORIES | OWN_STATE | MADE_BY_PYTHON | CREDENTIALS
VIRTUAL_ENVIRONMENT = b"pyvenv.cfg"
"""The file that makes a folder a virtual environment, which works only on the machine that it was made on."""
LONGEST_PATTERNS = 10 * 2**20
"""Bytes of one file of patterns that are read; a larger one is something else."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """Patterns, and the folder that their paths are relative to: its path with a slash behind, or nothing."""

    patterns: Patterns
    below: bytes


@dataclass(frozen=True)
class Rules:
    """What holds in one folder.

    Attributes:
        folder: its path with a slash behind, as the top of all rules sees it; empty for the top itself.
        excluded: the settings' own patterns, which come before all others.
        use_gitignore: whether git's files of patterns hold.
        outermost: what holds in every repository of this person.
        nearest_first: what git's files say.
    """

    folder: bytes
    excluded: _Placed
    use_gitignore: bool
    outermost: Patterns
    nearest_first: tuple[_Placed, ...] = field(default=())

    @classmethod
    def of(cls, source: Path, exclude: tuple[str, ...], use_gitignore: bool, excludes_file: Path | None) -> Rules:
        """What holds in the source, with what the folders above it say, up to the top of its repository.

        Args:
            source: the folder that is sent; it is sent even if it is ignored itself, for somebody asked for it.
            exclude: patterns of the settings, relative to the source.
            use_gitignore: whether git's files of patterns hold.
            excludes_file: a person's own patterns for all repositories (git's `core.excludesFile`).
        """
        top = (repository_of(source) if use_gitignore else None) or source
        way = [os.fsencode(part) for part in source.relative_to(top).parts]
        excluded = _Placed(Patterns("\n".join(exclude).encode("utf-8", "surrogateescape")), _as_folder(way))
        outermost = Patterns(_content(os.fsencode(excludes_file)) if excludes_file and use_gitignore else b"")
        rules = cls(b"", excluded, use_gitignore, outermost)._in_repository(os.fsencode(top))
        for depth in range(len(way) + 1):
            rules = replace(rules, folder=_as_folder(way[:depth]))
            rules = rules._with_gitignore(os.path.join(os.fsencode(top), *way[:depth]))
        return rules

    def ignores(self, name: bytes, is_folder: bool) -> bool:
        """Whether what has this name in this folder stays at home."""
        if name in NEVER:
            return True
        path = self.folder + name
        for placed in (self.excluded, *self.nearest_first):
            verdict = placed.patterns.verdict(path[len(placed.below) :], name, is_folder)
            if verdict is not None:
                return verdict
        return False

    def inside(self, name: bytes, folder: bytes, holds: set[bytes]) -> Rules:
        """What holds in a folder within this one.

        Args:
            name: its name here.
            folder: where it lies.
            holds: the names of what lies in it.
        """
        rules = replace(self, folder=self.folder + name + b"/")
        if b".git" in holds:  # a repository of its own: git asks nothing of the one around it
            rules = replace(rules, nearest_first=())._in_repository(folder)
        return rules._with_gitignore(folder) if b".gitignore" in holds else rules

    def _in_repository(self, folder: bytes) -> Rules:
        if not self.use_gitignore:
            return self
        return self._with(self.outermost)._with(Patterns(_content(info_exclude(folder))))

    def _with_gitignore(self, folder: bytes) -> Rules:
        if not self.use_gitignore:
            return self
        return self._with(Patterns(_content(os.path.join(folder, b".gitignore"), os.O_NOFOLLOW)))

    def _with(self, patterns: Patterns) -> Rules:
        if not patterns:
            return self
        return replace(self, nearest_first=(_Placed(patterns, self.folder), *self.nearest_first))


def _as_folder(parts: list[bytes]) -> bytes:
    return b"".join(part + b"/" for part in parts)


def _content(path: bytes, flags: int = 0) -> bytes:
    """What a file of patterns says; nothing where there is none, as for git, which follows no linked `.gitignore`."""
    with suppress(OSError), open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags), "rb") as file:
        return file.read(LONGEST_PATTERNS)
    return b""
