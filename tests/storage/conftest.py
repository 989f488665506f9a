"""Real buckets of every kind: a folder, memory, and an S3 API on this machine."""

import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from moto.server import ThreadedMotoServer

from daybook.storage import Store, open_store

BUCKET = "runs"


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[dict[str, str]]:
    """An S3 API with one bucket, as the environment variables that lead to it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    _make_bucket(environment["AWS_ENDPOINT_URL"])
    yield environment
    server.stop()


def _make_bucket(endpoint: str) -> None:
    httpx.put(f"{endpoint}/{BUCKET}").raise_for_status()


@pytest.fixture
def s3_checks_credentials(s3_environment: dict[str, str]) -> Iterator[None]:
    """While this holds, the S3 API knows no user, and so refuses everybody."""
    switch = f"{s3_environment['AWS_ENDPOINT_URL']}/moto-api/reset-auth"
    httpx.post(switch, content="0").raise_for_status()
    yield
    httpx.post(switch, content="inf").raise_for_status()


@pytest.fixture(params=["folder", "memory", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of bucket that a test is about; each test that takes it runs once for every kind."""
    return request.param


@pytest.fixture
def open_bucket(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], Store]:
    """Opens one and the same empty bucket, each time anew; memory lives only as long as its store."""
    if kind == "folder":
        return lambda: open_store(str(tmp_path / "a bücket"))
    if kind == "memory":
        store = open_store("memory:///")
        return lambda: store
    environment = request.getfixturevalue("s3_environment")
    url = f"s3://{BUCKET}/{uuid4()}"
    return lambda: open_store(url, environment)


@pytest.fixture
def store(open_bucket: Callable[[], Store]) -> Store:
    """An empty bucket."""
    return open_bucket()


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port of this machine on which nothing answers: it is bound, and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
