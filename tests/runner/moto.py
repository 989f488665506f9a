"""A real S3 API on loopback: moto's server, from the environment that has it."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

MOTO = Path(__file__).parents[2] / ".venv" / "bin" / "moto_server"


@contextmanager
def s3_server(*buckets: str) -> Iterator[dict[str, str]]:
    """Starts it, makes the buckets, and gives the variables that lead to it."""
    if not MOTO.exists():
        pytest.skip("moto's server is part of the Airflow side's environment, which is not there")
    command = [str(MOTO), "-H", "127.0.0.1", "-p", "0"]
    # Its log goes to a file, not to a pipe: it writes a line a request, and stands still once a pipe is full.
    with (
        tempfile.NamedTemporaryFile("w+", suffix=".log") as log,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log.fileno()) as process,
    ):
        try:
            endpoint = _endpoint(process, Path(log.name))
            for bucket in buckets or ("notebooks",):
                httpx.put(f"{endpoint}/{bucket}").raise_for_status()
            yield {
                **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": endpoint,
            }
        finally:
            process.kill()  # it keeps nothing, and may wait for a connection that a test has left
            process.wait(10)


def _endpoint(process: subprocess.Popen, log: Path) -> str:
    """Where the server says that it answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        said = log.read_text()
        found = re.search(r"Running on (http://[\d.]+:\d+)", said)
        if found:
            return found[1]
        assert process.poll() is None, said
        time.sleep(0.05)
    raise AssertionError(f"moto's server did not start: {log.read_text()}")
