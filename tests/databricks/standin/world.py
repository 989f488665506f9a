"""The stand-in itself: its modules, its users, what it was asked."""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from databricks.standin.app import ApiError, Request, Response, Router, Server
from databricks.standin.faults import Faults

MODULES = ("identity", "clusters", "contexts", "commands", "files", "dbfs")
"""Each has `add_to(router, world)`; another one (`files`) is added by its name here."""

TOKEN, USER = "dapi-stand-in-token", "ada@example.org"
"""The token that every stand-in takes, and whose it is."""


@dataclass(frozen=True)
class Asked:
    """One request that was answered."""

    method: str
    path: str
    status: int
    request_bytes: int
    response_bytes: int
    query: dict[str, str]


class StandIn:
    """A Databricks workspace on loopback.

    Attributes:
        host: its address, for `DATABRICKS_HOST`.
        root: the folder that plays its disks; `root/driver` is the home of the contexts' processes.
        tokens: whose token is whose; take one out, and it has expired.
        asked: every request that was answered, in order.
        latency_seconds: what each request takes on the line.
        faults: what goes wrong next.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._own_root = root is None
        self.root = root or Path(tempfile.mkdtemp(prefix="standin-"))
        self.tokens = {TOKEN: USER}
        self.asked: list[Asked] = []
        self.latency_seconds = 0.0
        self.faults = Faults()
        self.lock = threading.RLock()
        self.parts: dict[str, Any] = {}
        self._router = Router()
        for name in MODULES:
            part = importlib.import_module(f"databricks.standin.{name}").add_to(self._router, self)
            self.parts[name] = part
        self._server = Server(self._answer)
        self.host = self._server.address

    @property
    def clusters(self) -> Any:
        return self.parts["clusters"]

    @property
    def contexts(self) -> Any:
        return self.parts["contexts"]

    @property
    def commands(self) -> Any:
        return self.parts["commands"]

    @property
    def files(self) -> Any:
        return self.parts["files"]

    def environment(self, cluster_id: str | None = None) -> dict[str, str]:
        """The variables that lead a kernel here."""
        found = {"DATABRICKS_HOST": self.host, "DATABRICKS_TOKEN": TOKEN}
        return {**found, "DATABRICKS_CLUSTER_ID": cluster_id} if cluster_id else found

    def count(self, path: str) -> int:
        """How many requests went to a path that ends so."""
        return sum(1 for each in list(self.asked) if each.path.endswith(path))

    def _answer(self, request: Request) -> Response:
        time.sleep(self.latency_seconds)
        try:
            response = self.faults.instead_of(request) or self._handled(request)
        except ApiError as error:
            response = _refused(request, error)
        read = getattr(request.stream, "count", 0)
        asked = Asked(request.method, request.path, response.status, read, len(response.body), request.query)
        self.asked.append(asked)
        return response

    def _handled(self, request: Request) -> Response:
        route = self._router.find(request)
        if not route.public:
            request.user = self._user_of(request)
        result = route.handler(request)
        if isinstance(result, Response):
            return result
        return Response(json.dumps({} if result is None else result).encode())

    def _user_of(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            raise ApiError(401, "UNAUTHENTICATED", "Credential was not sent or is not known.")
        return self.tokens[token]

    def close(self) -> None:
        self._server.close()
        self.contexts.close()
        if self._own_root:
            shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _refused(request: Request, error: ApiError) -> Response:
    document = {"error_code": error.code, "message": error.message}
    if request.path.startswith("/api/1.2/"):
        document = {"error": f"{error.code}: {error.message}"}
    return Response(json.dumps(document).encode(), error.status, headers=error.headers)
