"""The workspaces' Spark servers from the command line: what they tell, and having Airflow start and stop them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from daybook.cli.airflow_api import AirflowApi, DagRun
from daybook.cli.settings import Settings
from daybook.cli.stack.local_workspace import WORKSPACE
from daybook.cli.stack.spark import LocalServer, local_server
from daybook.contract.errors import DaybookError, Fault, InvalidRequest
from daybook.contract.keys import SPARK_DAG
from daybook.contract.spark_state import SparkServerState
from daybook.storage.spark_states import spark_states
from daybook.workspaces import Workspace

Kind = Literal["local", "server", "remote", "none"]


@dataclass(frozen=True)
class Found:
    """A workspace's Spark.

    Attributes:
        workspace: which.
        kind: `local`, the stack's own; `server`, one that Daybook starts; `remote`, one that others run; `none`.
        local: the stack's own.
        servers: those that Daybook has started, as they told last.
        remote: the address of one that others run.
        ui: its pages.
        trouble: why nothing is known of them.
    """

    workspace: str
    kind: Kind
    local: LocalServer | None = None
    servers: tuple[SparkServerState, ...] = ()
    remote: str | None = None
    ui: str | None = None
    trouble: str | None = None

    @property
    def sessions(self) -> int:
        """How many are open, as far as anybody knows."""
        own = self.local.sessions if self.local else None
        return (own or 0) + sum(each.sessions or 0 for each in self.servers)

    def document(self) -> dict[str, Any]:
        """As `--json` shows it."""
        servers = [each.model_dump(mode="json", exclude={"schema_version", "workspace"}) for each in self.servers]
        return {**asdict(self), "servers": servers}


def looked_at(settings: Settings, only: str | None) -> list[Found]:
    """The Spark of the workspaces, with the caller's own credentials.

    Raises:
        InvalidRequest: there is no such workspace.
    """
    workspaces = settings.load_workspaces()
    local = local_server(settings.project) if settings.project is not None else None
    chosen = [workspaces.get(only)] if only is not None else list(workspaces)
    return [_found(settings, each, local) for each in chosen]


def chosen(settings: Settings, only: str | None) -> Found:
    """The one whose server is to be started or stopped: the one that is named, else the one there is.

    Raises:
        InvalidRequest: there is no such workspace, none with a server that can be started, or several.
    """
    found = [each for each in looked_at(settings, only) if each.kind in ("local", "server")]
    if len(found) == 1:
        return found[0]
    named = next((each for each in found if each.workspace == WORKSPACE and each.kind == "local"), None)
    if named is not None and only is None:
        return named
    if found:
        names = ", ".join(each.workspace for each in found)
        raise InvalidRequest("whose Spark server?", [Fault("--workspace", f"name one of: {names}")])
    what = "no workspace has" if only is None else f"workspace {only!r} does not have"
    raise InvalidRequest(f"{what} a Spark server that Daybook starts; `daybook spark status` tells what there is")


def asked_of_airflow(settings: Settings, workspace: str, action: Literal["start", "stop"]) -> DagRun:
    """Triggers the DAG that does it.

    Raises:
        InvalidRequest: Airflow refuses.
        InfrastructureFailed: Airflow does not answer.
    """
    with AirflowApi(settings.api()) as api:
        return api.trigger(SPARK_DAG, {"workspace": workspace, "action": action})


def _found(settings: Settings, workspace: Workspace, local: LocalServer | None) -> Found:
    spark = workspace.spark
    if spark is None:
        return Found(workspace.name, "none")
    if spark.remote is not None:
        if local is not None and spark.remote == local.remote:
            return Found(workspace.name, "local", local, remote=local.remote, ui=local.ui)
        return Found(workspace.name, "remote", remote=spark.remote, ui=spark.ui)
    try:
        told = spark_states(settings.open_bucket(workspace))
    except DaybookError as error:
        return Found(workspace.name, "server", trouble=str(error))
    return Found(workspace.name, "server", servers=tuple(each for each in told if each.workspace == workspace.name))
