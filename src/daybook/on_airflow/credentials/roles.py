"""Assuming a workspace's role, narrowed down to the workspace's own prefix, through the amazon provider."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from daybook.on_airflow.credentials.policy import session_policy
from daybook.storage.credentials import CredentialsRefused, CredentialsUnavailable
from daybook.workspaces import StsCredentials, Workspace

if TYPE_CHECKING:
    from obstore.store import S3Credential

ANY_REGION = "us-east-1"
"""Where STS is asked when nobody names a region; roles are the same in all of them."""

_REFUSALS = {
    "AccessDenied": "the role's trust policy must let Airflow assume it, with the workspace's external_id if it asks "
    "for one, and Airflow's own policy must allow sts:AssumeRole on it",
    "ValidationError": "most often session_seconds is longer than the role's maximum session duration",
    "MalformedPolicyDocument": "the session policy does not fit this server",
    "PackedPolicyTooLarge": "the bucket's prefix is too long for a session policy",
    "InvalidClientTokenId": "Airflow's own credentials are not known there; correct the connection",
    "SignatureDoesNotMatch": "Airflow's own secret key is wrong; correct the connection",
    "NoSuchEntity": "there is no such role",
}


@dataclass(frozen=True)
class SessionCredentials:
    """What STS gave; only `expires` may be shown to anybody."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires: datetime

    def document(self) -> str:
        """The JSON that AWS's `credential_process` prints: what boto3, the AWS CLI, Java's SDK and our runner read."""
        return json.dumps(
            {
                "Version": 1,
                "AccessKeyId": self.access_key_id,
                "SecretAccessKey": self.secret_access_key,
                "SessionToken": self.session_token,
                "Expiration": self.expires.isoformat(),
            }
        )

    def for_obstore(self) -> S3Credential:
        """The same for obstore."""
        return {
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "token": self.session_token,
            "expires_at": self.expires,
        }


@dataclass(frozen=True)
class Role:
    """A workspace's role, and who asks for it.

    Attributes:
        workspace: whose.
        credentials: the workspace's, of kind `sts`.
        client: boto3's of STS, made by the amazon provider.
    """

    workspace: Workspace
    credentials: StsCredentials
    client: Any = field(repr=False)

    @classmethod
    def of(cls, workspace: Workspace, hook: Any, environment: Mapping[str, str]) -> Role:
        """The role of a workspace.

        Args:
            workspace: with credentials of kind `sts`.
            hook: the amazon provider's, of the workspace's connection.
            environment: the process's own `AWS_*` variables.
        """
        if not isinstance(workspace.credentials, StsCredentials):
            raise TypeError(f"workspace {workspace.name} has no credentials of kind sts")
        store = workspace.store
        region = store.region or hook.region_name or environment.get("AWS_REGION") or ANY_REGION
        endpoint = store.sts_endpoint or store.endpoint or hook.conn_config.get_service_endpoint_url("sts")
        client = hook.get_session(region_name=region).client(
            "sts", region_name=region, endpoint_url=endpoint, config=hook.config, verify=hook.verify
        )
        return cls(workspace, workspace.credentials, client)

    def assume(self, session: str) -> SessionCredentials:
        """New credentials of the role, for the workspace's prefix only; from now on Airflow masks them in logs.

        Args:
            session: a name, for the audit log.

        Raises:
            CredentialsRefused: STS says no.
            CredentialsUnavailable: STS does not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        asked: dict[str, Any] = {
            "RoleArn": self.credentials.role_arn,
            "RoleSessionName": session,
            "Policy": session_policy(self.workspace.bucket, self.credentials.role_arn),
            "DurationSeconds": self.credentials.session_seconds,
        }
        if self.credentials.external_id is not None:
            asked["ExternalId"] = self.credentials.external_id
        try:
            given = self.client.assume_role(**asked)["Credentials"]
        except ClientError as error:
            raise self._refusal(error.response.get("Error", {})) from None
        except BotoCoreError as error:
            raise CredentialsUnavailable(f"cannot assume {self.credentials.role_arn}: {error}") from None
        expires = given["Expiration"].astimezone(UTC)  # obstore takes no other time zone
        return _masked(
            SessionCredentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], expires)
        )

    def _refusal(self, error: Mapping[str, str]) -> Exception:
        code, said = str(error.get("Code", "error")), " ".join(str(error.get("Message", "")).split())
        advice = _REFUSALS.get(code)
        text = f"STS does not let Airflow be {self.credentials.role_arn} ({code}: {said})"
        kind = CredentialsRefused if advice is not None else CredentialsUnavailable
        return kind("; ".join(filter(None, (text, advice))))


def _masked(credentials: SessionCredentials) -> SessionCredentials:
    from airflow.sdk.log import mask_secret

    document = base64.b64encode(credentials.document().encode()).decode()
    for value in (credentials.secret_access_key, credentials.session_token, document):
        mask_secret(value)
    return credentials
