"""Whether anybody uses a Spark server: clients that are connected to it, and jobs that run."""

from __future__ import annotations

import http.client
import json
from typing import Any

import psutil

_ANSWER_SECONDS = 10.0


class Activity:
    """Looks at one server.

    Args:
        pid: its Java process.
        host: where it listens.
        port: of Spark Connect.
        ui_port: of Spark's pages, which tell of jobs.
    """

    def __init__(self, pid: int, host: str, port: int, ui_port: int) -> None:
        self._pid = pid
        self._host = host
        self._port = port
        self._ui_port = ui_port

    def is_used(self) -> bool:
        """Whether a client is connected or a job runs; where that cannot be told it counts as used."""
        try:
            return self.clients() > 0 or self._jobs() > 0
        except (psutil.Error, OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
            return True

    def clients(self) -> int:
        """How many clients are connected; each has a session of its own.

        Raises:
            psutil.Error: its process does not tell.
        """
        found = psutil.Process(self._pid).net_connections("tcp")
        return sum(1 for one in found if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == self._port)

    def _jobs(self) -> int:
        application = self._told("/api/v1/applications")[0]["id"]
        return len(self._told(f"/api/v1/applications/{application}/jobs?status=running"))

    def _told(self, path: str) -> Any:
        connection = http.client.HTTPConnection(self._host, self._ui_port, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
