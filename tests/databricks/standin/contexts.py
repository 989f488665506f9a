"""Execution contexts: each a process of its own, so that its variables live and die with it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from databricks.standin.app import ApiError, Request, Router
from databricks.standin.interpreter import Interpreter

if TYPE_CHECKING:
    from databricks.standin.world import StandIn

LANGUAGES = ("python", "sql", "scala", "r")


class Contexts:
    """The contexts of all clusters.

    Attributes:
        pending_polls: how often a new context says that it is not yet there.
        lost_answer: status and code with which a context that is gone is answered; Databricks does not document it.
    """

    def __init__(self, world: StandIn) -> None:
        self._world = world
        self._contexts: dict[str, tuple[str, Interpreter]] = {}
        self._pending: dict[str, int] = {}
        self.pending_polls = 0
        self.lost_answer: tuple[int, str] = (404, "ContextNotFound")

    @property
    def ids(self) -> list[str]:
        return list(self._contexts)

    def create(self, request: Request) -> dict[str, Any]:
        cluster_id, language = str(request.json.get("clusterId")), str(request.json.get("language"))
        self._world.clusters.running(cluster_id, request.user)
        if language not in LANGUAGES:
            raise ApiError(400, "InvalidLanguage", f"unsupported language {language}")
        context_id = uuid.uuid4().hex
        with self._world.lock:
            self._contexts[context_id] = (cluster_id, Interpreter(self._world.root / "driver", language))
            self._pending[context_id] = self.pending_polls
        return {"id": context_id}

    def status(self, request: Request) -> dict[str, Any]:
        context_id = request.query.get("contextId", "")
        self.find(request.query.get("clusterId", ""), context_id, request.user)
        if self._pending[context_id] > 0:
            self._pending[context_id] -= 1
            return {"id": context_id, "status": "Pending"}
        return {"id": context_id, "status": "Running"}

    def destroy(self, request: Request) -> dict[str, Any]:
        context_id = str(request.json.get("contextId"))
        self.find(str(request.json.get("clusterId")), context_id, request.user)
        self.lose(context_id)
        return {"id": context_id}

    def find(self, cluster_id: str, context_id: str, user: str) -> Interpreter:
        """The process of a context."""
        self._world.clusters.running(cluster_id, user)
        found = self._contexts.get(context_id)
        if found is None or found[0] != cluster_id:
            raise ApiError(*self.lost_answer, f"no context {context_id}")
        return found[1]

    def lose(self, context_id: str) -> None:
        """Ends it, whether it was asked to or not."""
        with self._world.lock:
            found = self._contexts.pop(context_id, None)
        if found is not None:
            found[1].close()

    def lose_all(self, cluster_id: str | None = None) -> None:
        for context_id, (cluster, _) in list(self._contexts.items()):
            if cluster_id in (None, cluster):
                self.lose(context_id)

    def close(self) -> None:
        self.lose_all()


def add_to(router: Router, world: StandIn) -> Contexts:
    contexts = Contexts(world)
    router.add("POST", "/api/1.2/contexts/create", contexts.create)
    router.add("GET", "/api/1.2/contexts/status", contexts.status)
    router.add("POST", "/api/1.2/contexts/destroy", contexts.destroy)
    return contexts
