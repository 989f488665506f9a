"""A real Spark Connect server, as the local stack starts it: one for all tests that leave it as it is."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

KEY = "a-pre-shared-key-of-the-tests"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Server:
    """A server that answers.

    Attributes:
        remote: its address.
        process: its Java.
        token: the file with its key.
        found: what `check` told.
    """

    remote: str
    process: subprocess.Popen[bytes]
    token: Path
    found: dict[str, Any]

    @property
    def port(self) -> int:
        return int(self.remote.rpartition(":")[2])

    def jobs(self, status: str = "") -> list[dict[str, Any]]:
        """Spark's jobs, as its pages tell of them."""
        url = f"{self.found['ui']}/api/v1/applications/{self.found['application_id']}/jobs"
        return httpx.get(url, params={"status": status} if status else {}, timeout=120).json()

    def environment(self, events: Path, **more: str) -> dict[str, str]:
        """The variables of a run that was given this server."""
        return {
            "SPARK_REMOTE": self.remote,
            "SPARK_CONNECT_AUTHENTICATE_TOKEN": KEY,
            "DAYBOOK_RESULTS": str(events),
            "DAYBOOK_RUN": "r1",
            "DAYBOOK_NOTEBOOK": "flights",
            "DAYBOOK_USER": "anna",
            **more,
        }


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def check(remote, token_file, timeout=600):
    command = [sys.executable, "-m", "daybook.spark", "check", "--remote", remote, "--timeout", str(timeout)]
    return subprocess.run([*command, "--token-file", str(token_file)], capture_output=True, text=True, check=False)


def events_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@contextmanager
def started(folder, port=None, key=KEY):
    """A server on the wheel's Java, with pages; it is ended however the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / "token"
    token.write_text(key)
    port = port or free_port()
    command = [sys.executable, "-m", "daybook.spark", "serve", "--port", str(port), "--token-file", str(token)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--state", str(folder / "state"), "--ui-port", str(free_port()), "--memory", "512m"],
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": "/usr/bin:/bin", "JAVA_HOME": ""},
            start_new_session=True,
        )
    try:
        remote = f"sc://127.0.0.1:{port}"
        checked = check(remote, token)
        assert checked.returncode == 0, checked.stderr + (folder / "log").read_text()
        yield Server(remote, process, token, json.loads(checked.stdout))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with started(tmp_path_factory.mktemp("spark")) as found:
        yield found
