"""Clusters: get, start, list; they take the time a test gives them to start, or do not start at all."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from databricks.standin.app import ApiError, Request, Router

if TYPE_CHECKING:
    from databricks.standin.world import StandIn


@dataclass
class Cluster:
    """An all-purpose cluster.

    Attributes:
        id: as people name it.
        state: as the API says it; a PENDING one turns RUNNING when its time has come.
        start_seconds: what a start takes.
        start_fails: the termination code it ends with when it is started, instead of running.
        users: who may use it; None for everybody.
        starters: who may start it; None for everybody who may use it.
    """

    id: str
    state: str = "RUNNING"
    state_message: str = ""
    start_seconds: float = 0.0
    start_fails: str | None = None
    users: set[str] | None = None
    starters: set[str] | None = None
    more: dict[str, Any] = field(default_factory=dict)
    _running_at: float = 0.0

    def settle(self) -> None:
        if self.state == "PENDING" and time.monotonic() >= self._running_at:
            self.state = "TERMINATED" if self.start_fails else "RUNNING"

    def start(self) -> None:
        self.state, self._running_at = "PENDING", time.monotonic() + self.start_seconds

    def document(self) -> dict[str, Any]:
        self.settle()
        found = {
            "cluster_id": self.id,
            "cluster_name": f"cluster {self.id}",
            "state": self.state,
            "state_message": self.state_message,
            "spark_version": "16.4.x-scala2.12",
            "node_type_id": "i3.xlarge",
            "driver_node_type_id": "i3.xlarge",
            "num_workers": 2,
            "cluster_source": "UI",
            "data_security_mode": "SINGLE_USER",
            "spark_context_id": 1234567890,
        }
        if self.state == "TERMINATED":
            reason = {"code": self.start_fails or "USER_REQUEST", "type": "CLIENT_ERROR", "parameters": {}}
            found["termination_reason"] = reason
        return {**found, **self.more}


class Clusters:
    """All clusters of the workspace."""

    def __init__(self, world: StandIn) -> None:
        self._world = world
        self._clusters: dict[str, Cluster] = {}

    def add(self, id: str, **settings: Any) -> Cluster:
        self._clusters[id] = Cluster(id, **settings)
        return self._clusters[id]

    def terminate(self, id: str, state: str = "TERMINATED") -> None:
        """Ends it, with all its contexts."""
        self._clusters[id].state = state
        self._world.contexts.lose_all(id)

    def usable(self, id: str, user: str) -> Cluster:
        """The cluster, for one who may use it."""
        cluster = self._clusters.get(id)
        if cluster is None:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Cluster {id} does not exist")
        if cluster.users is not None and user not in cluster.users:
            raise ApiError(403, "PERMISSION_DENIED", f"{user} does not have Attach permissions on {id}.")
        cluster.settle()
        return cluster

    def running(self, id: str, user: str) -> Cluster:
        cluster = self.usable(id, user)
        if cluster.state != "RUNNING":
            raise ApiError(400, "INVALID_STATE", f"Cluster {id} is in unexpected state {cluster.state.title()}.")
        return cluster

    def get(self, request: Request) -> dict[str, Any]:
        return self.usable(request.query.get("cluster_id", ""), request.user).document()

    def list(self, request: Request) -> dict[str, Any]:
        return {"clusters": [each.document() for each in self._clusters.values()]}

    def start(self, request: Request) -> None:
        cluster = self.usable(str(request.json.get("cluster_id")), request.user)
        if cluster.starters is not None and request.user not in cluster.starters:
            raise ApiError(403, "PERMISSION_DENIED", f"{request.user} does not have Restart permissions on it.")
        if cluster.state != "TERMINATED":
            state = cluster.state.title()
            raise ApiError(400, "INVALID_STATE", f"Cluster {cluster.id} is in unexpected state {state}.")
        cluster.start()


def add_to(router: Router, world: StandIn) -> Clusters:
    clusters = Clusters(world)
    for version in ("2.0", "2.1"):
        router.add("GET", f"/api/{version}/clusters/get", clusters.get)
        router.add("GET", f"/api/{version}/clusters/list", clusters.list)
        router.add("POST", f"/api/{version}/clusters/start", clusters.start)
    return clusters
