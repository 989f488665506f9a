"""The `Workspace` model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from daybook.contract.errors import Fault, InvalidRequest
from daybook.storage import Store, open_store
from daybook.workspaces.fields import DnsLabel, DnsName, PageUrl, Quantity, Remote, SecretKey, VariableName

DEFAULT_IMAGE = "daybook/notebook:latest"
DEFAULT_CPU = "1"
DEFAULT_MEMORY = "2Gi"
EVERYBODY = "*"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretReference(_Model):
    """A key of a Kubernetes Secret in the workspace's namespace; never the value."""

    name: DnsName
    key: SecretKey


class SparkSettings(_Model):
    """The workspace's Spark Connect server."""

    remote: Remote = Field(description="address as pyspark takes it, without a token: sc://host:port")
    token: SecretReference | None = Field(default=None, description="pre-shared key of the server")
    ui: PageUrl | None = Field(default=None, description="where people see the server's pages")


class Workspace(_Model):
    """A team's or person's isolated area: its members, its bucket, its Spark, its limits."""

    name: DnsLabel
    bucket: str = Field(min_length=1, description="URL of the bucket or prefix that holds the workspace's runs")
    members: tuple[str, ...] = Field(default=(EVERYBODY,), description="user names; * is everybody Airflow lets in")
    namespace: DnsLabel = "default"
    service_account: DnsName | None = None
    image: str = DEFAULT_IMAGE
    cpu: Quantity = DEFAULT_CPU
    memory: Quantity = DEFAULT_MEMORY
    secret: DnsName = Field(
        default="daybook-secrets", description="the one Kubernetes Secret whose keys secret inputs may name"
    )
    environment_secret: DnsName | None = Field(
        default=None, description="a Kubernetes Secret whose keys become the pod's environment (AWS_ACCESS_KEY_ID …)"
    )
    environment: dict[VariableName, str] = Field(
        default_factory=dict, description="environment of the pod that is no secret (AWS_REGION, AWS_ENDPOINT_URL …)"
    )
    spark: SparkSettings | None = None

    def open_bucket(self, environment: Mapping[str, str]) -> Store:
        """The workspace's bucket, with the caller's credentials and the workspace's endpoint and region.

        Raises:
            StoreFailed: it cannot be opened.
        """
        return open_store(self.bucket, {**environment, **self.environment})


def _some_each_once(workspaces: tuple[Workspace, ...]) -> tuple[Workspace, ...]:
    counts = Counter(workspace.name for workspace in workspaces)
    if not workspaces:
        raise ValueError("there must be at least one")
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise ValueError(f"each name may stand once only: {', '.join(twice)}")
    return workspaces


class Workspaces(_Model):
    """All workspaces of an installation; the first is the default."""

    workspaces: Annotated[tuple[Workspace, ...], AfterValidator(_some_each_once)]

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

    def __iter__(self) -> Iterator[Workspace]:  # type: ignore[override]  # a list of workspaces, not of fields
        return iter(self.workspaces)
