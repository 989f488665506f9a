"""The control plane's way to a bucket: Airflow's AWS connection, or the workspace's role, or what the process has.

The amazon provider takes a second to import; that is done only where a workspace needs it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowNotFoundException

from daybook.contract.errors import Fault, InvalidSettings, StoreFailed
from daybook.on_airflow.credentials.roles import Role, SessionCredentials
from daybook.storage import Store, StoreRefused
from daybook.storage.credentials import CredentialsRefused, CredentialsUnavailable
from daybook.workspaces import StsCredentials, Workspace

if TYPE_CHECKING:
    from obstore.store import S3Credential

    from daybook.storage.credentials import Provider

CONTROL_PLANE = "daybook-control-plane"
"""The session's name in the audit log, where it is not a pod's."""

KEPT = timedelta(minutes=15)
"""How long a connection is used as it was read; a changed one counts after that."""

SPARE = timedelta(minutes=6)
"""Credentials are renewed this long before they expire; obstore asks again five minutes before."""

GOOD_FOR = timedelta(minutes=10)
"""botocore renews what it gives at the latest so long before it expires, so what it gives is good for that."""


@dataclass
class Buckets:
    """Opens buckets, and keeps what it found out for a while: a page asks for them at every click."""

    _ways: dict[str, tuple[float, Way]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def open(self, workspace: Workspace, environment: Mapping[str, str]) -> Store:
        """A workspace's bucket.

        Raises:
            InvalidSettings: the connection is not there.
            StoreFailed: the bucket cannot be opened.
        """
        way = self._way(workspace, environment)
        if way is None:
            return workspace.open_bucket(environment)
        return workspace.open_bucket({**environment, **way.environment}, way.credentials)

    def variables(self, workspace: Workspace, environment: Mapping[str, str]) -> dict[str, str]:
        """What `open` reaches a bucket with, as variables for a child process; nobody renews them there.

        Raises:
            InvalidSettings: the connection is not there.
            StoreRefused: the credentials are refused.
            StoreFailed: there are no credentials to be had now.
        """
        way = self._way(workspace, environment)
        if way is None:
            return dict(environment)
        try:
            found = way.credentials()
        except (CredentialsRefused, CredentialsUnavailable) as error:
            kind = StoreRefused if isinstance(error, CredentialsRefused) else StoreFailed
            raise kind(f"workspace {workspace.name}: no credentials for its bucket: {error}") from error
        keys = {
            "AWS_ACCESS_KEY_ID": found["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": found["secret_access_key"],
            "AWS_SESSION_TOKEN": found.get("token"),
        }
        others = {name: value for name, value in environment.items() if name not in keys}
        return {**others, **way.environment, **_given(keys)}

    def _way(self, workspace: Workspace, environment: Mapping[str, str]) -> Way | None:
        """How the provider reaches it; None where it is not needed for that."""
        if not _needs_provider(workspace):
            return None
        key = json.dumps([sorted(environment.items()), workspace.model_dump(mode="json", include=_ABOUT_BUCKETS)])
        with self._lock:
            made, way = self._ways.get(key, (0.0, None))
            if way is None or time.monotonic() - made > KEPT.total_seconds():
                way = way_to(workspace, environment)
                self._ways[key] = (time.monotonic(), way)
        return way


_ABOUT_BUCKETS = {"name", "bucket", "store", "credentials"}


@dataclass(frozen=True)
class Way:
    """How a bucket is reached.

    Attributes:
        environment: endpoint and region that the connection names.
        credentials: gives them.
    """

    environment: Mapping[str, str]
    credentials: Provider


def way_to(workspace: Workspace, environment: Mapping[str, str]) -> Way:
    """How the control plane reaches a bucket: by the workspace's own role where it has one of kind `sts`.

    Raises:
        InvalidSettings: the connection is not there.
        StoreFailed: it gives no session.
    """
    hook = aws_hook(workspace)
    found = {"AWS_ENDPOINT_URL": hook.conn_config.get_service_endpoint_url("s3"), "AWS_REGION": hook.region_name}
    if isinstance(workspace.credentials, StsCredentials):
        role = role_of(workspace, environment)
        return Way(_given(found), Renewed(lambda: role.assume(CONTROL_PLANE).for_obstore()))
    with _told(workspace):
        return Way(_given(found), _from_session(hook.get_session()))


def role_of(workspace: Workspace, environment: Mapping[str, str]) -> Role:
    """A workspace's role, and who asks for it: the connection.

    Raises:
        InvalidSettings: the connection is not there.
        StoreFailed: it leads to no session, for it is to assume a role of its own that is refused.
    """
    hook = aws_hook(workspace)
    with _told(workspace):
        return Role.of(workspace, hook, environment)


def handed_over(workspace: Workspace, environment: Mapping[str, str], session: str) -> SessionCredentials | None:
    """Short-lived credentials for a session of that name; None for a workspace whose pods are handed none."""
    if not isinstance(workspace.credentials, StsCredentials):
        return None
    return role_of(workspace, environment).assume(session)


@contextmanager
def _told(workspace: Workspace) -> Iterator[None]:
    """Tells what the amazon provider fails with when it makes a session."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        name = workspace.store.connection or "of Airflow's processes"
        raise StoreFailed(f"workspace {workspace.name}: the AWS connection {name} gives no session: {error}") from None


def aws_hook(workspace: Workspace) -> Any:
    """The amazon provider's hook of the workspace's connection, or of the process's own credentials.

    Raises:
        InvalidSettings: the connection is not there; the hook would silently take the process's credentials.
    """
    from airflow.providers.amazon.aws.hooks.sts import StsHook

    name = workspace.store.connection
    if name is not None:
        try:
            StsHook.get_connection(name)
        except AirflowNotFoundException as error:
            fault = Fault(f"workspace {workspace.name}: store.connection", f"Airflow has no connection {name!r}")
            raise InvalidSettings("cannot reach the workspace's bucket", [fault]) from error
    return StsHook(aws_conn_id=name)  # type: ignore[no-untyped-call]


class Renewed:
    """A provider that asks another one only when what that gave last is about to expire. Threads may share it."""

    def __init__(self, get: Callable[[], S3Credential]) -> None:
        self._get = get
        self._lock = threading.Lock()
        self._found: S3Credential | None = None

    def __call__(self) -> S3Credential:
        """Credentials that are good for a while yet."""
        with self._lock:
            expires = self._found["expires_at"] if self._found is not None else None
            if self._found is None or (expires is not None and expires - datetime.now(UTC) < SPARE):
                self._found = self._get()
            return self._found


def _from_session(session: Any) -> Provider:
    credentials = session.get_credentials()

    def get() -> S3Credential:
        if credentials is None:
            raise CredentialsUnavailable("Airflow's AWS connection holds none, and its processes have none")
        frozen = credentials.get_frozen_credentials()
        expires = datetime.now(UTC) + GOOD_FOR if frozen.token else None
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": expires,
        }

    return get


def _needs_provider(workspace: Workspace) -> bool:
    s3 = workspace.bucket.startswith(("s3://", "s3a://"))
    return s3 and (workspace.store.connection is not None or isinstance(workspace.credentials, StsCredentials))


def _given(found: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in found.items() if value}
