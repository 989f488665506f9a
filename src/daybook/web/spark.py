"""What is known of the workspaces' Spark servers: what each says of itself in its workspace's bucket.

Notebooks can write to that bucket, too: what stands there is shown to members of the workspace alone, as text, and
decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from daybook.contract.errors import DaybookError
from daybook.contract.manifest import Manifest
from daybook.contract.spark_state import SparkServerState
from daybook.storage.spark_states import spark_states
from daybook.web.world import World
from daybook.workspaces import Workspace

LIMIT_SECONDS = 1.0
"""How long the buckets may take, all together; a page waits for no slow one."""
LOOKS_AT_ONCE = 8
_SILENT = "its bucket does not answer now, so nobody knows of its servers"

Kind = Literal["server", "remote", "none"]


@dataclass(frozen=True)
class WorkspaceSpark:
    """A workspace's Spark.

    Attributes:
        workspace: which.
        kind: `server`, one that Daybook starts; `remote`, one that others run; `none`.
        servers: those that Daybook has started, the newest first.
        trouble: why nothing is known of them.
    """

    workspace: Workspace
    kind: Kind
    servers: Sequence[SparkServerState] = ()
    trouble: str | None = None

    @property
    def remote(self) -> str | None:
        """The address of one that others run, without a key."""
        return self.workspace.spark.remote if self.workspace.spark else None

    @property
    def ui(self) -> str | None:
        """Where people see the pages of one that others run."""
        return self.workspace.spark.ui if self.workspace.spark else None

    @property
    def sessions(self) -> int:
        """How many sessions are open on its servers, as far as they say."""
        return sum(each.sessions or 0 for each in self.servers)


class SparkLook:
    """Looks at the servers of workspaces.

    Args:
        world: gives their buckets.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._threads = ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="spark")
        self._underway: dict[str, Future[tuple[SparkServerState, ...]]] = {}

    def at(self, workspaces: Sequence[Workspace]) -> list[WorkspaceSpark]:
        """Their Spark as it is now, in their order; blocks for the limit at most."""
        looks = {each.name: self._begin(each) for each in workspaces if kind_of(each) == "server"}
        wait(looks.values(), LIMIT_SECONDS)
        return [_told(each, looks.get(each.name)) for each in workspaces]

    def of_run(self, workspace: Workspace, manifest: Manifest) -> SparkServerState | None:
        """The server that a run has used, where Daybook has started it and it is still there."""
        remote = manifest.spark.remote if manifest.spark else None
        if remote is None or kind_of(workspace) != "server":
            return None
        return next((each for each in self.at([workspace])[0].servers if each.remote == remote), None)

    def _begin(self, workspace: Workspace) -> Future[tuple[SparkServerState, ...]]:
        """Begins a look; one that has not come back yet is waited for, and no second one sent after it."""
        found = self._underway.get(workspace.name)
        if found is None or found.done():
            found = self._threads.submit(lambda: spark_states(self._world.bucket(workspace)))
            self._underway[workspace.name] = found
        return found


def kind_of(workspace: Workspace) -> Kind:
    """What kind of Spark a workspace has."""
    if workspace.spark is None:
        return "none"
    return "server" if workspace.spark.server is not None else "remote"


def link_to(ui: str | None) -> str | None:
    """A server's pages as a link, where a browser on this machine may reach them: a pod's address it cannot."""
    try:
        host = urlsplit(ui or "").hostname or ""
        return ui if host == "localhost" or ip_address(host).is_loopback else None
    except ValueError:
        return None


def _told(workspace: Workspace, look: Future[tuple[SparkServerState, ...]] | None) -> WorkspaceSpark:
    kind = kind_of(workspace)
    if look is None:
        return WorkspaceSpark(workspace, kind)
    if not look.done():
        return WorkspaceSpark(workspace, kind, trouble=_SILENT)
    error = look.exception()
    if error is not None:
        if not isinstance(error, DaybookError):
            raise error
        return WorkspaceSpark(workspace, kind, trouble=_SILENT)
    # A bucket may be another workspace's, too, by prefix: what says that it is of another one is not ours.
    return WorkspaceSpark(workspace, kind, [each for each in look.result() if each.workspace == workspace.name])
