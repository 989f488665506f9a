"""A localpods that is a real process, with what a test wants of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
from kubernetes import client, config

from daybook.localpods.client import is_ready
from daybook.localpods.kubeconfig import authority_file, write_kubeconfig

TOKEN = "a-token-of-the-tests"
IMAGE = "registry.example:5000/daybook/test:1.2"
NAMESPACE = "default"
START_SECONDS = 120.0
"""How long it may take to start where the machine is busy with other tests."""


def wait_until(look: Callable[[], Any], seconds: float = START_SECONDS) -> Any:
    """What `look` returns, once that is true."""
    until = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > until:
            raise TimeoutError(f"not within {seconds} s: {look}")
        time.sleep(0.02)
    return found


class Localpods:
    """One server process, with what a test wants of it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.secrets = folder / "secrets"
        self.kubeconfig = folder / "kubeconfig"
        self.images = folder / "images.json"
        self.token_file = folder / "token"
        self.options = options
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.secrets.mkdir()
        self.token_file.write_text(TOKEN)
        self.token_file.chmod(0o600)
        self.images.write_text(json.dumps({"daybook/test": {"prefix": sys.prefix, "entrypoint": [sys.executable]}}))

    @property
    def server(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "daybook.localpods", "--state", str(self.state), "--port", str(self.port)),
            *("--images", str(self.images), "--token-file", str(self.token_file), "--secrets", str(self.secrets)),
            *self.options,
        ]

    def start(self) -> None:
        (self.state / "server.json").unlink(missing_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: (self.state / "server.json").exists() or self.process.poll() is not None, START_SECONDS)
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
        self.port = json.loads((self.state / "server.json").read_text())["port"]
        wait_until(lambda: is_ready(self.server), START_SECONDS)
        write_kubeconfig(self.kubeconfig, self.port, TOKEN, authority_file(self.state))

    def end(self, how: signal.Signals) -> int:
        """Signals the whole process group, as `daybook down` and a closed terminal do."""
        assert self.process is not None
        os.killpg(self.process.pid, how)
        return self.process.wait(10)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGKILL)
        below = str(self.state)
        for process in psutil.process_iter():
            try:
                if below in " ".join(process.cmdline()) or process.environ().get("HOME", "").startswith(below):
                    process.kill()
            except (psutil.Error, OSError):
                continue

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.server, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)

    def api(self) -> client.CoreV1Api:
        return client.CoreV1Api(config.new_client_from_config(str(self.kubeconfig)))

    def run(self, *command: str, name: str | None = None, spec: dict[str, Any] | None = None, **base: Any) -> str:
        """Creates a pod of one container and returns its name."""
        container = {"name": "base", "image": IMAGE, "command": list(command), **base}
        return self.create({"containers": [container], **(spec or {})}, name)

    def python(self, code: str, **more: Any) -> str:
        return self.run(sys.executable, "-c", code, **more)

    def create(self, spec: dict[str, Any], name: str | None = None) -> str:
        metadata = {"name": name} if name else {"generateName": "test-"}
        with self.http() as http:
            answer = http.post(f"/api/v1/namespaces/{NAMESPACE}/pods", json={"metadata": metadata, "spec": spec})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["metadata"]["name"])

    def get(self, name: str) -> dict[str, Any]:
        with self.http() as http:
            return dict(http.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}").json())

    def log(self, name: str, **query: Any) -> str:
        with self.http() as http:
            answer = http.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/log", params=query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def delete(self, name: str, **query: Any) -> None:
        with self.http() as http:
            http.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}", params=query)

    def in_phase(self, name: str, *phases: str) -> dict[str, Any]:
        return wait_until(lambda: found if (found := self.get(name))["status"]["phase"] in phases else None)

    def finished(self, name: str) -> dict[str, Any]:
        return self.in_phase(name, "Succeeded", "Failed")

    def terminated(self, name: str) -> dict[str, Any]:
        """How the first container of a finished pod ended."""
        return dict(self.finished(name)["status"]["containerStatuses"][0]["state"]["terminated"])

    def gone(self, name: str) -> bool:
        return bool(wait_until(lambda: self.get(name).get("code") == 404))

    def record(self, name: str, container: str = "base") -> dict[str, Any]:
        """What the shim of a container has written so far, once it has started it."""
        path = self.state / "pods" / self.get(name)["metadata"]["uid"] / "containers" / container / "record.json"
        return wait_until(lambda: found if path.exists() and (found := json.loads(path.read_text()))["child"] else None)

    def events(self, name: str) -> list[tuple[str, str]]:
        with self.http() as http:
            query = {"fieldSelector": f"involvedObject.name={name}"}
            items = http.get(f"/api/v1/namespaces/{NAMESPACE}/events", params=query).json()["items"]
        return [(one["reason"], one["message"]) for one in items]


def processes_with(text: str) -> list[psutil.Process]:
    """Living processes whose command line contains a text."""
    found = []
    for process in psutil.process_iter():
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and process.pid != os.getpid() and text in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found
