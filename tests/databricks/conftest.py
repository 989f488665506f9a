"""A stand-in Databricks for each test, and sessions on it; nothing of whoever runs the tests."""

import os

import pytest

from databricks.standin import StandIn

CLUSTER = "0123-456789-abcdefgh"


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No credentials and settings but those that a test gives."""
    for name in list(os.environ):
        if name.startswith(("DATABRICKS_", "DAYBOOK_DATABRICKS_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def standin(tmp_path):
    with StandIn(tmp_path / "databricks") as standin:
        standin.clusters.add(CLUSTER)
        yield standin


@pytest.fixture
def sessions(standin, monkeypatch):
    from databricks.sessions import Sessions
    from databricks.standin.world import TOKEN
    from daybook.databricks import python_process

    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    # However busy the machine is, an answer is waited for, and no question is asked that nobody looks for.
    monkeypatch.setattr(python_process, "ASK_SECONDS", 240.0)
    monkeypatch.setattr(python_process, "PROVEN_SECONDS", 3600.0)
    sessions = Sessions(standin.host)
    yield sessions
    sessions.close()
