"""One real stack for all end-to-end tests: Airflow, localpods and Spark Connect, started by `daybook up`.

It lives in a project folder of its own, with the examples and a few notebooks made here, so that a developer's stack in
the checkout is left alone.
"""

import json
import subprocess

import httpx
import pytest
from driving import DAYBOOK, Stack, clean_environment, free_ports, make_project


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    root = make_project(tmp_path_factory.mktemp("project"))
    api, pods, spark, ui = free_ports(4)
    ports = ["--port", str(api), "--pods-port", str(pods), "--spark-port", str(spark), "--spark-ui-port", str(ui)]
    (root / "ports.json").write_text(json.dumps(ports))
    up = subprocess.run(
        [str(DAYBOOK), "up", *ports], cwd=root, env=clean_environment(), text=True, capture_output=True, timeout=300
    )
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        url = f"http://127.0.0.1:{api}"
        with httpx.Client(base_url=url, timeout=30) as client:
            password = (root / ".daybook/admin-password").read_text().strip()
            token = client.post("/auth/token", json={"username": "admin", "password": password}).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield Stack(root, url, client)
    finally:
        subprocess.run([str(DAYBOOK), "down"], cwd=root, env=clean_environment(), timeout=300, check=False)
