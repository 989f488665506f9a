"""A project folder with the environments that the tests run in, and the command line with an Airflow that it asks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from builders import a_notebook_json
from cli.fake_airflow import Airflow
from cli.serving import serving
from daybook.cli.app import run_app
from daybook.cli.stack.project import Project
from daybook.storage import open_store


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


@pytest.fixture
def airflow():
    return Airflow()


@pytest.fixture
def bucket(tmp_path):
    return open_store((tmp_path / "bucket").as_uri())


@pytest.fixture
def daybook(tmp_path, airflow, bucket, monkeypatch, capsys):
    """Runs a command line; gives its exit code, stdout and stderr."""
    entry = tmp_path / "notebooks" / "echo"
    entry.mkdir(parents=True)
    (entry / "notebook.ipynb").write_text(a_notebook_json(parameters="word: str = 'hi'\ntimes: int = 1"))
    (tmp_path / "workspaces.yaml").write_text(
        f"workspaces:\n  - {{name: local, members: ['*'], bucket: '{bucket.url}'}}\n"
        f"  - {{name: other, members: ['*'], bucket: '{(tmp_path / 'other').as_uri()}'}}\n"
    )
    with serving(airflow.app) as url:
        given = {
            "DAYBOOK_CATALOGUE": str(tmp_path / "notebooks"),
            "DAYBOOK_WORKSPACES": str(tmp_path / "workspaces.yaml"),
            "DAYBOOK_API_URL": url,
            "DAYBOOK_API_TOKEN": "t",
            "DAYBOOK_PUBLIC_URL": "https://airflow.example/",
            "COLUMNS": "300",
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)

        def run(*arguments: str) -> tuple[int, str, str]:
            code = run_app(arguments)
            said = capsys.readouterr()
            return code, said.out, said.err

        yield run
