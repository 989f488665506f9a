"""How a workspace's pods come to the credentials of its bucket: one kind each, never a value."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from daybook.workspaces.fields import DnsName, RoleArn, SecretKey
from daybook.workspaces.model import Model

MIN_SESSION_SECONDS = 900
MAX_SESSION_SECONDS = 43_200
"""The least and the most that STS gives."""


class SecretReference(Model):
    """A key of a Kubernetes Secret in the workspace's namespace; never the value."""

    name: DnsName
    key: SecretKey


class NoCredentials(Model):
    """None: the bucket is a folder, or open to whoever is on its network."""

    kind: Literal["none"] = "none"


class SecretCredentials(Model):
    """A Kubernetes Secret that is there already; its keys become variables (`AWS_ACCESS_KEY_ID` …)."""

    kind: Literal["secret"]
    name: DnsName = Field(description="the Secret, in the workspace's namespace")


class ServiceAccountCredentials(Model):
    """Web identity: the pod's own projected token assumes the workspace's role."""

    kind: Literal["service_account"]
    role_arn: RoleArn = Field(description="the role that the workspace's service account may assume, and no other")
    audience: str = Field(default="sts.amazonaws.com", min_length=1, description="for whom the token is")


class StsCredentials(Model):
    """Short-lived credentials that Airflow gets by assuming a role, narrowed down to the workspace's prefix."""

    kind: Literal["sts"]
    role_arn: RoleArn
    external_id: str | None = Field(default=None, min_length=2, description="what the role's trust policy may ask for")
    session_seconds: int = Field(
        default=3600, ge=MIN_SESSION_SECONDS, le=MAX_SESSION_SECONDS, description="renewed before they expire"
    )


Credentials = Annotated[
    NoCredentials | SecretCredentials | ServiceAccountCredentials | StsCredentials, Field(discriminator="kind")
]
