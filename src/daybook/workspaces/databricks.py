"""A workspace's Databricks: where it is, who its runs are there, which clusters they may use, and for how long."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from daybook.contract.databricks import CLUSTER_ID, SETTINGS_PREFIX
from daybook.workspaces.credentials import SecretReference
from daybook.workspaces.fields import Pattern, like
from daybook.workspaces.model import Model
from daybook.workspaces.patterns import fits_any

MAX_LIMIT_SECONDS = 7 * 24 * 3600
"""As long as the longest run."""

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def _host(url: str) -> str:
    parts = urlsplit(url)
    local = parts.netloc.rsplit(":", 1)[0] in _LOOPBACK
    plain = re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+/?", url)
    if not plain or not parts.hostname or (parts.scheme == "http" and not local):
        raise ValueError(f"{url!r} is not the address of a Databricks workspace: https://name.cloud.databricks.com")
    return url.rstrip("/")


def _absolute(path: PurePosixPath) -> PurePosixPath:
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"'{path}' must be an absolute path of the pod, without `..`")
    return path


Host = Annotated[str, AfterValidator(_host)]
ClusterId = Annotated[str, like(CLUSTER_ID, "a cluster's id, such as 1126-081234-abcd1234")]
Seconds = Annotated[float, Field(gt=0, le=MAX_LIMIT_SECONDS, allow_inf_nan=False)]


class OAuth(Model):
    """A service principal's OAuth secret (machine to machine)."""

    client_id: str = Field(min_length=1, pattern=r"^[A-Za-z0-9-]+$", description="the principal's application id")
    client_secret: SecretReference


class DatabricksLimits(Model):
    """How long things may take there, in seconds; what is not given is the kernel's to say."""

    command_seconds: Seconds | None = Field(
        default=None, description="one cell's command; by default no limit of its own"
    )
    cluster_start_seconds: Seconds | None = Field(default=None, description="until a terminated cluster runs")
    context_seconds: Seconds | None = Field(default=None, description="until an execution context answers")


class DatabricksSync(Model):
    """Files of the pod that are brought to the cluster before each cell; none unless enabled."""

    enabled: bool = False
    source: Annotated[PurePosixPath, AfterValidator(_absolute)] | None = Field(
        default=None, description="a folder in the pod: of its image, or of a volume of the workspace"
    )
    exclude: tuple[str, ...] = Field(default=(), description="patterns as in .gitignore")
    max_size_mb: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_file_size_mb: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    use_gitignore: bool | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.enabled and self.source is None:
            raise ValueError("needs a source: the pod's working folder has nothing in it that could be synchronised")
        return self


def _text(value: object) -> str:
    """A setting as a variable holds it; lists by lines."""
    if isinstance(value, bool):
        return str(value).lower()
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class DatabricksSettings(Model):
    """Where notebooks with the kernel `databricks` are executed, and as whom."""

    host: Host = Field(description="https://name.cloud.databricks.com")
    cluster_id: ClusterId = Field(description="the cluster of notebooks that name none")
    clusters: tuple[Pattern, ...] = Field(default=(), description="further clusters that a notebook may name")
    token: SecretReference | None = Field(default=None, description="a personal access token, of a service principal")
    oauth: OAuth | None = Field(default=None, description="a service principal's OAuth secret, instead of a token")
    limits: DatabricksLimits = DatabricksLimits()
    sync: DatabricksSync = DatabricksSync()

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.token is None) == (self.oauth is None):
            raise ValueError("needs exactly one of token and oauth, by which its runs are known to Databricks")
        return self

    @property
    def secrets(self) -> set[str]:
        """Names of the Secrets that it takes its key from."""
        found = (self.token, self.oauth.client_secret if self.oauth else None)
        return {each.name for each in found if each is not None}

    def allows(self, cluster_id: str) -> bool:
        """Whether a notebook may name this cluster."""
        return cluster_id == self.cluster_id or fits_any(self.clusters, cluster_id)

    def on_cluster(self, cluster_id: str | None) -> Self:
        """The same for a run on another cluster; None leaves it as it is."""
        return self if cluster_id is None else self.model_copy(update={"cluster_id": cluster_id})

    @property
    def variables(self) -> dict[str, str]:
        """Limits and synchronisation as the kernel's variables; what is not given is the kernel's to say."""
        sync = self.sync.model_dump(mode="json", exclude_none=True)
        given = {**self.limits.model_dump(exclude_none=True), **{f"sync_{name}": sync[name] for name in sync}}
        return {f"{SETTINGS_PREFIX}{name.upper()}": text for name, each in given.items() if (text := _text(each))}
