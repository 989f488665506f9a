"""Which Spark server a run needs, and what it is called: two runs that need the same have the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from daybook import __version__
from daybook.contract import keys
from daybook.contract.memory import SUPERVISOR_BYTES
from daybook.contract.quantities import quantity, whole
from daybook.contract.spark_server import SparkBucket, SparkCredentials, SparkServerRequest, SparkSize
from daybook.workspaces import SparkProfile, SparkServer, Workspace
from daybook.workspaces.apart import DEFAULT_SERVICE_ACCOUNT

DRIVER_CORES: Final = 1
DRIVER_MEMORY: Final = "2Gi"
"""Of a server whose workers do the work: it plans, and holds the results that it sends."""
SPARK_SERVICE_ACCOUNT: Final = "daybook-spark"
"""Which a server with workers runs as unless told otherwise: it may make pods in its namespace."""

_KINDS: Final = {
    "none": SparkCredentials.NONE,
    "secret": SparkCredentials.ENVIRONMENT,
    "service_account": SparkCredentials.WEB_IDENTITY,
    "sts": SparkCredentials.PROFILE,
}
_MAKES_THE_SERVER: Final = frozenset(
    {"bucket", "store", "credentials", "service_account", "pod", "environment", "ephemeral_storage", "spark"}
)


@dataclass(frozen=True)
class WantedServer:
    """A server as a run needs it.

    Attributes:
        workspace: with a `spark.server`.
        profile: the size's name.
        owner: the run and attempt whose own it is; None for one that all runs of the workspace share.
        settings: the notebook's, for a server of a run's own; one that is shared has the workspace's alone.
    """

    workspace: Workspace
    profile: str
    owner: tuple[str, int] | None = None
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        profile: str | None = None,
        owner: tuple[str, int] | None = None,
        settings: Mapping[str, str | int | float | bool] | None = None,
    ) -> WantedServer | None:
        """The server of a workspace; None where Daybook starts none there.

        Args:
            workspace: which; that it allows what is asked for was decided before.
            profile: asked for; None is the workspace's default.
            owner: run and attempt, where the run asked for a server of its own.
            settings: the notebook's; only a server of a run's own takes them.
        """
        if workspace.spark is None or workspace.spark.server is None:
            return None
        chosen = profile or workspace.spark.server.profile
        return cls(workspace, chosen, owner, dict(settings or {}) if owner is not None else {})

    @property
    def server(self) -> SparkServer:
        """What the workspace says of its servers."""
        if self.workspace.spark is None or self.workspace.spark.server is None:
            raise ValueError(f"workspace {self.workspace.name} has no server of Daybook's")
        return self.workspace.spark.server

    @property
    def size(self) -> SparkProfile:
        """How large it is."""
        return self.server.sizes[self.profile]

    @property
    def name(self) -> str:
        """Of its pod and Service; another one as soon as anything that makes the server is another."""
        told = self.workspace.model_dump_json(include=set(_MAKES_THE_SERVER))
        run = () if self.owner is None else (self.owner[0], str(self.owner[1]))
        settings = json.dumps(dict(self.settings), sort_keys=True)
        return keys.spark_server_name(self.workspace.name, __version__, told, self.profile, settings, *run)

    @property
    def cpu(self) -> str:
        """Of the server's own pod."""
        return str(DRIVER_CORES if self.size.workers else self.size.cores)

    @property
    def memory(self) -> str:
        """Of the server's own pod."""
        return DRIVER_MEMORY if self.size.workers else self.size.memory

    @property
    def service_account(self) -> str:
        """Which server and workers run as."""
        fallback = SPARK_SERVICE_ACCOUNT if self.size.workers else DEFAULT_SERVICE_ACCOUNT
        if self.workspace.credentials.kind == "service_account":
            return self.workspace.service_account or fallback
        return self.server.service_account or fallback

    @property
    def request(self) -> SparkServerRequest:
        """What Spark is started with."""
        server, store = self.server, self.workspace.store
        return SparkServerRequest(
            workspace=self.workspace.name,
            bucket=SparkBucket(
                url=self.workspace.bucket,
                endpoint=self.workspace.bucket_endpoint,
                region=store.region,
                path_style=store.path_style,
                credentials=_KINDS[self.workspace.credentials.kind],
            ),
            size=self._spark_size(),
            place="kubernetes" if self.size.workers else "local",
            settings=dict(server.settings),
            notebook_settings=dict(self.settings),
            metastore=server.metastore,
            event_log=server.event_log,
            tables=server.tables,
        )

    def _spark_size(self) -> SparkSize:
        size, own = self.size, whole(quantity(self.memory)) - SUPERVISOR_BYTES
        return SparkSize(
            driver_cores=DRIVER_CORES if size.workers else size.cores,
            driver_memory=own,
            executor_cores=size.cores,
            executor_memory=whole(quantity(size.memory)),
            maximum_executors=size.workers,
        )
