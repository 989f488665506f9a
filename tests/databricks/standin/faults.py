"""What goes wrong on purpose, on the line or in the API."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field

from databricks.standin.app import Request, Response

_ON_PURPOSE = {"error_code": "INTERNAL_ERROR", "message": "on purpose"}


@dataclass
class Fault:
    """One way to fail.

    Attributes:
        path: the end of the paths it holds for.
        status: the answer's; 0 breaks the line without an answer, None lets the request through (after `delay`).
        times: how often; then all is well again.
        after: how many requests go well before.
        delay: seconds that the answer takes.
        until: the answer does not come before this is set.
    """

    path: str
    status: int | None = 500
    times: int = 1
    after: int = 0
    delay: float = 0.0
    until: threading.Event | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: object = field(default_factory=lambda: dict(_ON_PURPOSE))


class Faults:
    """The faults to come."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def instead_of(self, request: Request) -> Response | None:
        """The answer in place of the right one, if there is to be one."""
        fault = self._next(request.path)
        if fault is None:
            return None
        time.sleep(fault.delay)
        if fault.until is not None:
            fault.until.wait()
        if fault.status is None:
            return None
        if isinstance(fault.body, bytes):  # not Databricks' own: that answers in JSON
            return Response(fault.body, fault.status, "text/html", fault.headers)
        return Response(json.dumps(fault.body).encode(), fault.status, headers=fault.headers)

    def _next(self, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if not path.endswith(fault.path) or fault.times <= 0:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None
