"""The `Workspace` model and the file that lists workspaces."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from daybook.contract.errors import Fault, InvalidRequest, InvalidSettings
from daybook.storage import Store, open_store

DEFAULT_IMAGE = "daybook/notebook:latest"
DEFAULT_CPU = "1"
DEFAULT_MEMORY = "2Gi"
EVERYBODY = "*"

WorkspaceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretReference(_Model):
    """A key of a Kubernetes Secret in the workspace's namespace; never the value."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
    key: Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]{1,253}$")]


class SparkSettings(_Model):
    """The workspace's Spark Connect server."""

    remote: Annotated[str, StringConstraints(pattern=r"^sc://[^/;\s]+(/;?[^\s]*)?$")] = Field(
        description="address as pyspark takes it, without a token: sc://host:port"
    )
    token: SecretReference | None = Field(default=None, description="pre-shared key of the server")
    ui: str | None = Field(default=None, description="where people see the server's pages")


class Workspace(_Model):
    """A team's or person's isolated area: its members, its bucket, its Spark, its limits."""

    name: WorkspaceName
    bucket: str = Field(description="URL of the bucket or prefix that holds the workspace's runs")
    members: tuple[str, ...] = Field(default=(EVERYBODY,), description="user names; * is everybody Airflow lets in")
    namespace: str = "default"
    service_account: str | None = None
    image: str = DEFAULT_IMAGE
    cpu: str = DEFAULT_CPU
    memory: str = DEFAULT_MEMORY
    secret: str = Field(
        default="daybook-secrets", description="the one Kubernetes Secret whose keys secret inputs may name"
    )
    environment_secret: str | None = Field(
        default=None, description="a Kubernetes Secret whose keys become the pod's environment (AWS_ACCESS_KEY_ID …)"
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="environment of the pod that is no secret (AWS_REGION, AWS_ENDPOINT_URL …)"
    )
    spark: SparkSettings | None = None

    def open_bucket(self, environment: Mapping[str, str]) -> Store:
        """The workspace's bucket, with the caller's credentials and the workspace's endpoint and region.

        Raises:
            StoreFailed: it cannot be opened.
        """
        return open_store(self.bucket, {**environment, **self.environment})


class Workspaces(_Model):
    """All workspaces of an installation; the first is the default."""

    workspaces: tuple[Workspace, ...] = Field(min_length=1)

    def get(self, name: str | None) -> Workspace:
        """A workspace by name; None gives the default one.

        Raises:
            InvalidRequest: there is none of that name.
        """
        if name is None:
            return self.workspaces[0]
        for workspace in self.workspaces:
            if workspace.name == name:
                return workspace
        names = [workspace.name for workspace in self.workspaces]
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"
        raise InvalidRequest("unknown workspace", [Fault("workspace", f"there is no workspace {name!r}; {hint}")])

    def __iter__(self) -> Any:
        return iter(self.workspaces)


def load_workspaces(path: Path) -> Workspaces:
    """Reads and checks `workspaces.yaml`.

    Raises:
        InvalidSettings: the file is not there or not as it must be; every fault is named.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InvalidSettings("cannot read the workspaces", [Fault(str(path), str(error.strerror))]) from error
    except yaml.YAMLError as error:
        raise InvalidSettings(
            "the workspaces are not YAML", [Fault(str(path), " ".join(str(error).split()))]
        ) from error
    try:
        found = Workspaces.model_validate(content)
    except ValidationError as error:
        faults = [Fault(f"{path}: {'.'.join(map(str, each['loc']))}", each["msg"]) for each in error.errors()]
        raise InvalidSettings("the workspaces are not as they must be", faults) from error
    names = [workspace.name for workspace in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidSettings("the workspaces are not as they must be", [Fault(str(path), f"{n} twice") for n in twice])
    return found
