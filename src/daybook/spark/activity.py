"""Whether anybody uses a Spark server, and how many sessions are open on it."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from typing import Any

import psutil

_ANSWER_SECONDS = 10.0
_SESSIONS_PAGE = "/connect/"
_SESSIONS = re.compile(rb"([0-9]+)\s+session\(s\) are online")
"""Spark has the number in no other place: not among its metrics, not in its REST API, not in Connect's protocol."""


class Activity:
    """Looks at one server.

    Args:
        pid: its Java process.
        host: where it listens.
        port: of Spark Connect.
        ui_port: of Spark's pages, which tell of jobs and sessions.
        own: how many sessions are those of whoever asks, and count for nothing.
    """

    def __init__(self, pid: int, host: str, port: int, ui_port: int, own: Callable[[], int] = lambda: 0) -> None:
        self._pid = pid
        self._host = host
        self._port = port
        self._ui_port = ui_port
        self._own = own

    def is_used(self) -> bool:
        """Whether a client is connected or a job runs; where that cannot be told it counts as used.

        A session alone is no use: one whose client is gone stays open for half an hour.
        """
        try:
            return self._clients() > 0 or self._jobs() > 0
        except (psutil.Error, OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
            return True

    def sessions(self) -> int | None:
        """How many sessions of others are open; None where its pages do not tell."""
        found = open_sessions(self._host, self._ui_port)
        return None if found is None else max(0, found - self._own())

    def _clients(self) -> int:
        found = psutil.Process(self._pid).net_connections("tcp")
        return sum(1 for one in found if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == self._port)

    def _jobs(self) -> int:
        application = self._told("/api/v1/applications")[0]["id"]
        return len(self._told(f"/api/v1/applications/{application}/jobs?status=running"))

    def _told(self, path: str) -> Any:
        return json.loads(_page(self._host, self._ui_port, path))


def open_sessions(host: str, ui_port: int) -> int | None:
    """How many sessions are open on a server, by its own count; None where its pages do not tell.

    Args:
        host: where it listens.
        ui_port: of Spark's pages.
    """
    try:
        found = _SESSIONS.search(_page(host, ui_port, _SESSIONS_PAGE))
    except (OSError, http.client.HTTPException):
        return None
    return None if found is None else int(found[1])


def _page(host: str, port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"{path} answers {answer.status}")
        return answer.read()
    finally:
        connection.close()
