"""A project, and a context of the stand-in that its files are brought to."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from daybook.databricks.errors import RemoteFailed
from daybook.databricks.settings import SyncSettings
from daybook.databricks.sync import synchroniser

CLUSTER = "0123-456789-abcdefgh"


class Context:
    """A `Remote` on the stand-in, over HTTP: one execution context."""

    def __init__(self, client, cluster=CLUSTER):
        self._api, self._cluster = client.api_client, cluster
        created = self._api.do("POST", "/api/1.2/contexts/create", body={"clusterId": cluster, "language": "python"})
        self.id = created["id"]
        self.commands = []

    def run_python(self, code, *, limit_seconds=None):
        where = {"clusterId": self._cluster, "contextId": self.id}
        self.commands.append(code)
        body = {**where, "language": "python", "command": code}
        command = self._api.do("POST", "/api/1.2/commands/execute", body=body)["id"]
        while True:
            told = self._api.do("GET", "/api/1.2/commands/status", query={**where, "commandId": command})
            if told["status"] not in ("Queued", "Running", "Cancelling"):
                break
            time.sleep(0.002)
        results = told["results"] or {"resultType": "error", "cause": told["status"]}
        if results["resultType"] == "error":
            raise RemoteFailed(results["cause"])
        return results.get("data", "")


@dataclass
class Project:
    """A folder with files.

    Attributes:
        path: where it is.
    """

    path: Path

    def put(self, name, content=b""):
        """Writes one file; its name may be bytes."""
        file = Path(os.fsdecode(os.fsencode(self.path) + b"/" + os.fsencode(name)))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def settings(self, **given):
        return SyncSettings(source=self.path, **given)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


@pytest.fixture
def client(standin):
    return WorkspaceClient(host=standin.host, token="dapi-stand-in-token")


@pytest.fixture
def remote(client):
    return Context(client)


@pytest.fixture
def environment(tmp_path):
    """What a kernel's process finds: caches of its own, nobody's git configuration."""
    (tmp_path / "home").mkdir(exist_ok=True)
    return {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def make(project, client, environment):
    """Makes what synchronises the project."""

    def make(run_id=None, **settings):
        return synchroniser(project.settings(**settings), client, run_id, environment)

    return make
