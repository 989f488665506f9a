"""A workspace's Spark: a Connect server that is there already, or one that Daybook starts when a run needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from daybook import __version__
from daybook.contract.errors import Fault
from daybook.contract.memory import DRIVER_OVERHEAD, EXECUTOR_OVERHEAD, MIB, SUPERVISOR_BYTES, split
from daybook.contract.quantities import quantity, whole
from daybook.contract.spark_settings import Layer, setting_faults
from daybook.workspaces.credentials import SecretReference
from daybook.workspaces.faults import Place, raise_all
from daybook.workspaces.fields import Amount, DnsName, Image, Metastore, PageUrl, ProfileName, Remote
from daybook.workspaces.model import Model

DEFAULT_SPARK_IMAGE: Final = f"daybook/spark:{__version__}"
"""As `deploy/images/spark` names it; on localpods the name alone counts, and it is the notebooks' environment."""

DEFAULT_PROFILE: Final = "small"
DEFAULT_IDLE_MINUTES: Final = 30.0
"""Long enough that a person who reads a result comes back to a warm server, short enough that a night costs nothing."""
DEFAULT_START_SECONDS: Final = 300
"""A cold server takes 10 s, on a busy machine a minute; the rest is for a node that must be added and pull an image."""


class SparkProfile(Model):
    """The size of a server. Without workers the server's own pod does the work, with `cores` and `memory`.

    Under localpods there are no worker pods: the server is one process, with all of the machine's processors.
    """

    workers: int = Field(default=0, ge=0, le=1000, description="worker pods at most; idle ones are given back")
    cores: int = Field(default=1, ge=1, le=128, description="processors of each worker")
    memory: Amount = Field(default="2Gi", description="memory of each worker's pod, as Kubernetes writes it")

    def beyond(self, most: SparkProfile) -> Iterator[str]:
        """What of this is more than a maximum: one text each, with both numbers."""
        for name in ("workers", "cores", "memory"):
            asked, limit = getattr(self, name), getattr(most, name)
            if quantity(asked) > quantity(limit):
                yield f"{name} {asked} is more than {limit}"

    def too_little(self) -> str | None:
        """Why no Spark starts in this; None where one does."""
        own, share = (0, EXECUTOR_OVERHEAD) if self.workers else (SUPERVISOR_BYTES, DRIVER_OVERHEAD)
        try:
            split(whole(quantity(self.memory)) - own, share)
        except ValueError as error:
            beside = f" beside {own // MIB}MiB of the server's own" if own else ""
            return f"memory {self.memory} {error}{beside}"
        return None


PROFILES: Final[Mapping[str, SparkProfile]] = {
    "small": SparkProfile(workers=0, cores=2, memory="4Gi"),
    "medium": SparkProfile(workers=2, cores=2, memory="8Gi"),
    "large": SparkProfile(workers=8, cores=4, memory="16Gi"),
}
"""The sizes by name; a workspace may say otherwise, or more."""


def _setting(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


SettingText = Annotated[str, BeforeValidator(_setting)]


class SparkServer(Model):
    """A server of the workspace's own, started when a run needs it and ended when nobody uses it."""

    profile: ProfileName = Field(default=DEFAULT_PROFILE, description="size of the server, unless a notebook says so")
    maximum: ProfileName | SparkProfile | None = Field(
        default=None, description="the largest that a notebook may ask for: a profile's name, or a size"
    )
    profiles: dict[ProfileName, SparkProfile] = Field(
        default_factory=dict, description="the workspace's own, beside or instead of small, medium and large"
    )
    idle_minutes: float = Field(
        default=DEFAULT_IDLE_MINUTES, gt=0, le=7 * 24 * 60, description="without clients and jobs it ends after these"
    )
    start_seconds: int = Field(default=DEFAULT_START_SECONDS, ge=10, le=3600, description="to the first answer")
    image: Image = DEFAULT_SPARK_IMAGE
    service_account: DnsName | None = Field(
        default=None, description="which the server runs as; with workers it needs rights on pods in its namespace"
    )
    settings: dict[str, SettingText] = Field(default_factory=dict, description="Spark's, of server and sessions")
    metastore: Metastore | None = Field(default=None, description="of Hive: thrift://host:port")
    event_log: bool = Field(default=False, description="whether Spark's event log goes to the workspace's bucket")
    tables: tuple[Literal["delta", "iceberg"], ...] = Field(
        default=(), description="table formats that sessions have; their jars belong to the image"
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        raise_all(self._faults())
        return self

    def _faults(self) -> Iterator[tuple[Place, str]]:
        for field in ("profile", "maximum"):
            name = getattr(self, field)
            if isinstance(name, str) and name not in self.sizes:
                yield (field,), self._unknown(name)
        for name, size in self.profiles.items():
            little = size.too_little()
            if little is not None:
                yield ("profiles", name), f"profile {name!r}: {little}"
        for fault in setting_faults(self.settings, Layer.WORKSPACE, starts_spark=True):
            yield ("settings", fault.where), fault.message
        most = self.most
        if most is None:
            return
        for name in dict.fromkeys((self.profile, *self.profiles)):
            for text in self.sizes[name].beyond(most) if name in self.sizes else ():
                yield ("profile" if name == self.profile else "profiles",), f"{name!r} is not within maximum: {text}"

    @property
    def sizes(self) -> dict[str, SparkProfile]:
        """Every profile that there is here, by name."""
        return {**PROFILES, **self.profiles}

    @property
    def most(self) -> SparkProfile | None:
        """The largest size that may be asked for; None where there is no limit."""
        return self.sizes.get(self.maximum) if isinstance(self.maximum, str) else self.maximum

    def refused(self, profile: str) -> Iterator[str]:
        """Why a notebook may not have a profile here; nothing where it may."""
        if profile not in self.sizes:
            yield self._unknown(profile)
        elif self.most is not None:
            for fault in self.sizes[profile].beyond(self.most):
                yield f"profile {profile!r} is larger than the workspace's maximum: {fault}; ask for less"

    def _unknown(self, name: str) -> str:
        close = get_close_matches(name, self.sizes, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(self.sizes)}"
        return f"there is no profile {name!r} here; {hint}"


class SparkSettings(Model):
    """The workspace's Spark Connect server: `remote`, one that is there, or `server`, one that Daybook starts."""

    remote: Remote | None = Field(
        default=None, description="address as pyspark takes it, without a token: sc://host:port"
    )
    token: SecretReference | None = Field(default=None, description="pre-shared key of a remote server")
    ui: PageUrl | None = Field(default=None, description="where people see a remote server's pages")
    server: SparkServer | None = Field(default=None, description="started when a run needs it, ended when idle")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        raise_all(self._faults())
        return self

    def _faults(self) -> Iterator[tuple[Place, str]]:
        if (self.remote is None) == (self.server is None):
            yield (), "name either `remote`, a server that is there, or `server`, one that Daybook starts"
        for name in ("token", "ui"):
            if self.server is not None and getattr(self, name) is not None:
                yield (name,), "is of a remote server; one that Daybook starts has its own"


def spark_faults(
    spark: SparkSettings | None, profile: str | None, own: bool, settings: Mapping[str, object]
) -> Iterator[Fault]:
    """Why a notebook's wishes cannot be met; nothing where they can.

    Args:
        spark: the workspace's.
        profile: which the notebook asks for; None leaves it to the workspace.
        own: whether it asks for a server that lives and ends with its run.
        settings: Spark's, as the notebook asks for them; a running server cannot take all of them.
    """
    for fault in setting_faults(settings, Layer.NOTEBOOK, starts_spark=own or spark is None):
        yield Fault(f"run.spark.settings.{fault.where}", fault.message)
    server = spark.server if spark is not None else None
    if server is None:
        for name, asked in (("profile", profile is not None), ("own", own)):
            if asked:
                yield Fault(
                    f"run.spark.{name}", "the workspace has no server of Daybook's; leave it out, or use another"
                )
    elif profile is not None:
        yield from (Fault("run.spark.profile", text) for text in server.refused(profile))
