"""What a workspace's Spark Connect server is to be: one JSON document without a secret in it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from daybook.contract.request import Frozen

SPARK_SERVER_VERSION: Literal[1] = 1


class SparkCredentials(StrEnum):
    """How a server's Java comes to the credentials of the bucket; never the credentials."""

    NONE = "none"
    ENVIRONMENT = "environment"
    """`AWS_ACCESS_KEY_ID` and its like."""
    WEB_IDENTITY = "web_identity"
    """`AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`; the token's file is renewed."""
    PROFILE = "profile"
    """The default profile of `AWS_CONFIG_FILE`, whose `credential_process` gives what is renewed."""


class SparkBucket(Frozen):
    """The workspace's bucket as Spark reaches it."""

    url: str = Field(description="s3://bucket/prefix, file:///…")
    endpoint: str | None = Field(default=None, description="of an S3 server that is not AWS")
    region: str | None = None
    path_style: bool | None = Field(default=None, description="None: yes where there is an endpoint")
    credentials: SparkCredentials = SparkCredentials.NONE


class SparkSize(Frozen):
    """A profile: how much a server may take. Memory is all that a process may take, in bytes or as people write it."""

    driver_cores: int = Field(default=1, ge=1)
    driver_memory: str | int = "1g"
    executor_cores: int = Field(default=1, ge=1)
    executor_memory: str | int = "1g"
    minimum_executors: int = Field(default=0, ge=0)
    maximum_executors: int = Field(default=0, ge=0, description="0: the server does the work itself")


class SparkServerRequest(Frozen):
    """What a server is started with; the key it is asked with travels apart."""

    schema_version: Literal[1] = SPARK_SERVER_VERSION
    workspace: str
    bucket: SparkBucket
    size: SparkSize = SparkSize()
    place: Literal["local", "kubernetes"] = Field(
        default="local", description="local: all in the one process; kubernetes: executors are pods"
    )
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict, description="the workspace's")
    notebook_settings: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="the notebook's, for a server of a run's own"
    )
    metastore: str | None = Field(default=None, description="thrift://host:port of a Hive metastore")
    event_log: bool = Field(default=False, description="whether Spark's event log goes to the workspace's bucket")
    tables: tuple[Literal["delta", "iceberg"], ...] = Field(
        default=(), description="table formats that must be there; their jars belong to the image"
    )
