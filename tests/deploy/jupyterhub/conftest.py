"""A real JupyterHub with deploy/jupyterhub in it, and a real Daybook for it to ask, both on loopback."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

CONFIGURATION = Path(__file__).parents[3] / "deploy" / "jupyterhub" / "jupyterhub_config.py"
START_SECONDS = 60
HUB = """
import sys
from jupyterhub.auth import DummyAuthenticator
from jupyterhub.proxy import Proxy

c = get_config()
load_subconfig(CONFIGURATION)


class WithTokens(DummyAuthenticator):
    # As an OAuth provider's: whoever logs in has a token of their own.
    async def authenticate(self, handler, data):
        name = data["username"]
        kept = {"access_token": f"token-of-{name}"} if name != "nobody" else None
        return {"name": name, "auth_state": kept}


class NoProxy(Proxy):
    # Nothing is proxied in these tests: the browser asks the Hub itself.
    should_start = False

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass

    async def get_all_routes(self):
        return {}


c.JupyterHub.authenticator_class = WithTokens
c.Authenticator.allow_all = True
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.bind_url = c.JupyterHub.hub_bind_url = "http://127.0.0.1:PORT"
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.cleanup_servers = False
"""


@dataclass
class Daybook:
    """What the Hub asks; `app` can be changed, and the server stopped, between two looks.

    Attributes:
        url: of the pages.
        asked: the tokens it was asked with.
    """

    url: str
    asked: list[str] = field(default_factory=list)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(app: FastAPI, port: int) -> Iterator[None]:
    """Serves an app in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    _until(lambda: server.started, "the server")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture(scope="session")
def daybook_port() -> int:
    """Where the Hub looks for Daybook; nobody need be there."""
    return free_port()


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory, daybook_port: int) -> Iterator[str]:
    """The address of a running Hub."""
    folder, port = tmp_path_factory.mktemp("hub"), free_port()
    config = HUB.replace("CONFIGURATION", repr(str(CONFIGURATION))).replace("PORT", str(port))
    (folder / "jupyterhub_config.py").write_text(config)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "JUPYTERHUB_CRYPT_KEY": secrets.token_hex(32),
        "DAYBOOK_URL": f"http://127.0.0.1:{daybook_port}",
        "DAYBOOK_PUBLIC_URL": "http://daybook.test/notebooks",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}/hub"
    try:
        _until(lambda: process.poll() is not None or _answers(f"{url}/login"), "the Hub")
        assert process.poll() is None, (folder / "log").read_text()[-4000:]
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def _until(probe, what: str) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + START_SECONDS
    while not probe():
        assert time.monotonic() < deadline, f"{what} did not start within {START_SECONDS} s"
        time.sleep(0.1)
