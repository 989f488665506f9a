"""How one sees that a component works: by asking it to do what it is there for, never by waiting a while."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from daybook.cli.stack.ports import LOOPBACK
from daybook.cli.stack.processes import ProcessRecord
from daybook.contract.errors import DaybookError, InfrastructureFailed
from daybook.localpods.client import is_ready, unfinished_pods

Probe = Callable[[ProcessRecord], str | None]
"""Asks a component whether it works: None when it does, else what is still awaited, in a few words."""

RUN_ANY_DAG = "run_notebook"
"""The DAG that is there whatever the catalogue holds; once it is parsed, DAGs can be triggered."""
RUN_ANY_FILE = "notebooks.py"
"""The DAG file that makes it. The other one fails on purpose where the catalogue has broken entries."""

_ASK_SECONDS = 5.0

_HEALTH_NAMES = {"scheduler": "scheduler", "triggerer": "triggerer", "dag-processor": "dag_processor"}


class Check:
    """A process that ends well once the Spark server gives a session."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process; close() closes it
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
        )

    def look(self) -> str | None:
        """What is still awaited.

        Raises:
            InfrastructureFailed: it ended badly; says with which words.
        """
        code = self._process.poll()
        if code:
            self._said.seek(0)
            lines = self._said.read().strip().splitlines() or [f"exit code {code}"]
            raise InfrastructureFailed(f"the Spark server gives no session: {lines[-1]}")
        return "no session yet" if code is None else None

    def close(self) -> None:
        """Ends it; twice is fine."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._said.close()


class Readiness:
    """Makes the probes; holds one HTTP client, and the token of Airflow's REST API once it has one.

    Args:
        api_url: Airflow's address.
        credentials: gives the user and password of somebody who may see the DAGs, when they are needed.
        client: is not closed here.
    """

    def __init__(self, api_url: str, credentials: Callable[[], tuple[str, str]], client: httpx.Client) -> None:
        self._api_url = api_url
        self._credentials = credentials
        self._client = client
        self._token: str | None = None
        self._checks: list[Check] = []

    def localpods(self, url: str, token_file: Path) -> Probe:
        """Ready when it answers, and takes our token: then it is ours and not another project's."""

        def probe(_: ProcessRecord) -> str | None:
            if not is_ready(url):
                return "no answer yet"
            unfinished_pods(url, token_file.read_text().strip())
            return None

        return probe

    def spark(self, check: Sequence[str], environment: Mapping[str, str]) -> Probe:
        """Ready when a session answers a query. The check itself waits for the server, so it is started once."""
        running: list[Check] = []

        def probe(_: ProcessRecord) -> str | None:
            if not running:
                running.append(Check(check, environment))
                self._checks.append(running[0])
            return running[0].look()

        return probe

    def close(self) -> None:
        """Ends checks that still run; twice is fine."""
        for check in self._checks:
            check.close()

    def airflow(self, component: str) -> Probe:
        """Ready when Airflow's health page, newer than the component's start, says so; the DAGs must be parsed too."""

        def probe(record: ProcessRecord) -> str | None:
            health = self._health()
            if health is None:
                return "no answer yet" if component == "api-server" else "waiting for the API server"
            if component == "api-server":
                return None if _healthy(health, "metadatabase") else "its database is not healthy"
            name = _HEALTH_NAMES[component]
            if not _healthy(health, name) or not _since(health[name].get(f"latest_{name}_heartbeat"), record):
                return "no heartbeat yet"
            return self._dags_parsed(record) if component == "dag-processor" else None

        return probe

    def _dags_parsed(self, record: ProcessRecord) -> str | None:
        found = self._api(f"/api/v2/dags/{RUN_ANY_DAG}")
        if found.status_code == httpx.codes.OK and _since(found.json().get("last_parsed_time"), record):
            return None
        broken = self._api("/api/v2/importErrors").json().get("import_errors", [])
        fresh = [
            each
            for each in broken
            if _since(each.get("timestamp"), record) and Path(each["filename"]).name == RUN_ANY_FILE
        ]
        if fresh:
            names = "; ".join(f"{each['filename']}: {_last_line(each['stack_trace'])}" for each in fresh)
            raise InfrastructureFailed(f"Airflow cannot import the DAGs: {names}")
        return f"the DAG {RUN_ANY_DAG} is not parsed yet"

    def _health(self) -> Any:
        response = self._get(f"{self._api_url}/api/v2/monitor/health")
        return response.json() if response is not None and response.status_code == httpx.codes.OK else None

    def _api(self, path: str) -> httpx.Response:
        if self._token is None:
            user, password = self._credentials()
            body = {"username": user, "password": password}
            answer = self._client.post(f"{self._api_url}/auth/token", json=body, timeout=_ASK_SECONDS)
            self._token = answer.raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        return self._client.get(f"{self._api_url}{path}", headers=headers, timeout=_ASK_SECONDS)

    def _get(self, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response | None:
        try:
            return self._client.get(url, headers=headers, timeout=_ASK_SECONDS)
        except httpx.HTTPError:
            return None


def asked(probe: Probe, record: ProcessRecord) -> str | None:
    """A probe's answer; an HTTP error on the way means that it is not ready yet.

    Raises:
        DaybookError: it will never be ready.
    """
    try:
        return probe(record)
    except DaybookError:
        raise
    except (httpx.HTTPError, OSError, KeyError, ValueError) as error:
        return f"it does not answer as it must ({type(error).__name__})"


def answers(port: int) -> bool:
    """Whether something listens on a port of loopback."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False


def _healthy(health: Mapping[str, Any], name: str) -> bool:
    return (health.get(name) or {}).get("status") == "healthy"


def _since(moment: str | None, record: ProcessRecord) -> bool:
    # A component that was killed a moment ago still counts as healthy by its old heartbeat.
    return moment is not None and datetime.fromisoformat(moment) >= datetime.fromisoformat(record.started_at)


def _last_line(text: str) -> str:
    return (text.strip() or "no reason given").splitlines()[-1]
