"""A project folder with the environments that the tests run in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from daybook.cli.stack.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of its own; both its environments are this one."""
    root = tmp_path / "a project, 100% mine"  # paths with blanks and % must do
    (root / "dags").mkdir(parents=True)
    (root / "include" / "notebooks").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    (root / ".venv").symlink_to(sys.prefix)
    (root / ".venv-notebook").symlink_to(sys.prefix)
    found = Project(root)
    found.make_folders()
    return found
