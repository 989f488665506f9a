"""The `Workspace` model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from daybook import __version__
from daybook.contract.databricks import VARIABLES_PREFIX
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.quantities import quantity
from daybook.storage import Store, open_store
from daybook.storage.network import VIRTUAL_HOST_VARIABLE
from daybook.workspaces.apart import apart, reach
from daybook.workspaces.buckets import BucketUrl, bucket_place, shared_buckets
from daybook.workspaces.credentials import Credentials, NoCredentials, SecretReference, ServiceAccountCredentials
from daybook.workspaces.databricks import DatabricksSettings
from daybook.workspaces.faults import Place, raise_all
from daybook.workspaces.fields import Amount, DnsLabel, DnsName, Image, PageUrl, Remote, VariableName
from daybook.workspaces.limits import (
    DEFAULT_CPU,
    DEFAULT_EPHEMERAL_STORAGE,
    DEFAULT_MEMORY,
    DEFAULT_RUNS_AT_ONCE,
    Allowed,
    Maximum,
    Retention,
)
from daybook.workspaces.members import Members
from daybook.workspaces.model import Model
from daybook.workspaces.pod_settings import PodSettings
from daybook.workspaces.pod_template import variables_of

if TYPE_CHECKING:
    from daybook.storage.credentials import Provider

DEFAULT_IMAGE = f"daybook/notebook:{__version__}"
"""As `deploy/images/build.sh` names it; on localpods the name alone counts, whatever the tag."""


class SparkSettings(Model):
    """The workspace's Spark Connect server."""

    remote: Remote = Field(description="address as pyspark takes it, without a token: sc://host:port")
    token: SecretReference | None = Field(default=None, description="pre-shared key of the server")
    ui: PageUrl | None = Field(default=None, description="where people see the server's pages")


class StoreSettings(Model):
    """How the bucket is reached, where that is not AWS's own way."""

    endpoint: PageUrl | None = Field(default=None, description="of an S3 server, such as MinIO's")
    sts_endpoint: PageUrl | None = Field(default=None, description="where roles are assumed; by default the endpoint")
    region: str | None = Field(default=None, min_length=1)
    path_style: bool | None = Field(
        default=None,
        description="whether the bucket stands in the URL's path; by default as each client has it",
    )
    connection: str | None = Field(
        default=None,
        min_length=1,
        description="Airflow's AWS connection to bucket and STS; by default the processes' own credentials",
    )


class Workspace(Model):
    """A team's or person's isolated area: its members, its bucket, its credentials, its Spark, its limits."""

    name: DnsLabel
    bucket: BucketUrl = Field(min_length=1, description="URL of the bucket or prefix that holds the workspace's runs")
    store: StoreSettings = StoreSettings()
    credentials: Credentials = NoCredentials()
    members: Members = Field(description='who may run and see its runs; ["*"] is everybody who is let in')
    namespace: DnsLabel = "default"
    service_account: DnsName | None = None
    image: Image = DEFAULT_IMAGE
    allowed: Allowed = Allowed()
    cpu: Amount = DEFAULT_CPU
    memory: Amount = DEFAULT_MEMORY
    ephemeral_storage: Amount = DEFAULT_EPHEMERAL_STORAGE
    maximum: Maximum = Maximum()
    runs_at_once: int = Field(default=DEFAULT_RUNS_AT_ONCE, ge=1, description="slots of the workspace's Airflow pool")
    retention: Retention = Retention()
    runs_in: Literal["pod", "worker"] = Field(
        default="pod", description="worker: trusted notebooks execute in the Airflow worker itself, with its rights"
    )
    pod: PodSettings = PodSettings()
    secret: DnsName = Field(
        default="daybook-secrets", description="the one Kubernetes Secret whose keys secret inputs may name"
    )
    environment: dict[VariableName, str] = Field(
        default_factory=dict, description="environment of the pod that is no secret"
    )
    spark: SparkSettings | None = None
    databricks: DatabricksSettings | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        faults = (
            self._defaults_beyond_maximum,
            self._variables_twice,
            self._roles_that_do_not_fit,
            self._leaks_databricks,
        )
        raise_all(fault for of in faults for fault in of())
        return self

    def _defaults_beyond_maximum(self) -> Iterator[tuple[Place, str]]:
        for name in ("cpu", "memory", "ephemeral_storage"):
            default, most = getattr(self, name), getattr(self.maximum, name)
            if most is not None and quantity(default) > quantity(most):
                yield (name,), f"what runs get by default, {default}, is not within their maximum of {most}; change one"

    def _variables_twice(self) -> Iterator[tuple[Place, str]]:
        for name in self.environment.keys() & set(variables_of(self.pod.template)):
            yield ("environment", name), "stands in the pod's template too; give it once"

    def _roles_that_do_not_fit(self) -> Iterator[tuple[Place, str]]:
        kind = self.credentials.kind
        if kind in ("service_account", "sts") and not self.bucket.startswith(("s3://", "s3a://")):
            yield ("credentials",), f"of kind {kind} are for S3 buckets, and the bucket is {self.bucket}"
        if isinstance(self.credentials, ServiceAccountCredentials) and self.service_account is None:
            message = (
                "of kind service_account need a service_account of the workspace's own; "
                "whatever else runs as it could assume the role"
            )
            yield ("credentials",), message

    def _leaks_databricks(self) -> Iterator[tuple[Place, str]]:
        """Its token is for runs of the kernel `databricks` alone, whose cells never see it."""
        if self.databricks is None:
            return
        if self.runs_in == "worker":
            yield ("databricks",), "is for workspaces whose runs are pods: a Secret is given to a pod only"
        for name in sorted(set(self.environment) | set(variables_of(self.pod.template))):
            if name.startswith(VARIABLES_PREFIX):
                yield ("databricks",), f"sets the variables of Databricks itself; take {name} out of the environment"
        for secret in sorted(self.databricks.secrets & reach(self)):
            yield (
                ("databricks",),
                f"takes its key from the Secret {secret}, which other runs get too; give it one of its own",
            )

    @property
    def store_environment(self) -> dict[str, str]:
        """The store's settings as the variables of the AWS SDKs; nothing in it is secret."""
        store = self.store
        found = {
            # The Java SDK and our own client read the first, boto3 the second.
            "AWS_REGION": store.region,
            "AWS_DEFAULT_REGION": store.region,
            "AWS_ENDPOINT_URL": store.endpoint,
            "AWS_ENDPOINT_URL_STS": store.sts_endpoint,
            VIRTUAL_HOST_VARIABLE: None if store.path_style is None else str(not store.path_style).lower(),
        }
        return {name: value for name, value in found.items() if value}

    @property
    def bucket_endpoint(self) -> str | None:
        """Where the bucket is looked for in the end: a variable of `environment` goes before `store`."""
        given = {**self.store_environment, **self.environment}
        return given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL")

    def open_bucket(self, environment: Mapping[str, str], credentials: Provider | None = None) -> Store:
        """The workspace's bucket, with the caller's credentials and the workspace's endpoint and region.

        Args:
            environment: credentials and endpoints as variables.
            credentials: gives them instead, each time they are about to expire.

        Raises:
            StoreFailed: it cannot be opened.
        """
        return open_store(self.bucket, {**environment, **self.store_environment, **self.environment}, credentials)


def _some_each_once(workspaces: tuple[Workspace, ...]) -> tuple[Workspace, ...]:
    counts = Counter(workspace.name for workspace in workspaces)
    if not workspaces:
        raise ValueError("there must be at least one")
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise ValueError(f"each name may stand once only: {', '.join(twice)}")
    return workspaces


def _none_within_another(workspaces: tuple[Workspace, ...]) -> tuple[Workspace, ...]:
    places = [(each.name, bucket_place(each.bucket, each.bucket_endpoint)) for each in workspaces]
    raise_all(((position, "bucket"), text) for position, text in shared_buckets(places))
    return workspaces


class Workspaces(Model):
    """All workspaces of an installation; the first is the default."""

    workspaces: Annotated[
        tuple[Workspace, ...],
        AfterValidator(_some_each_once),
        AfterValidator(_none_within_another),
        AfterValidator(apart),
    ]

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


def workspaces_schema() -> dict[str, Any]:
    """JSON Schema of `workspaces.yaml`, as published in `docs/schemas/`."""
    schema = Workspaces.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Workspaces of Daybook"}
