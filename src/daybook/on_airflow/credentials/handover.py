"""Hands a pod its short-lived credentials: a Secret that the pod owns, renewed as long as somebody waits for the pod.

The role is assumed first, so that nothing starts where that is refused. Then comes the pod, which waits for its Secret;
then the Secret, owned by the pod and so deleted with it. Only `create` and `patch` of Secrets are asked for, never
`get` or `list`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import generic_api_retry
from kubernetes.client import CoreV1Api
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException

from daybook.contract import keys
from daybook.on_airflow.credentials.connections import role_of
from daybook.on_airflow.credentials.roles import Role, SessionCredentials
from daybook.pods.credentials.sts import KEY
from daybook.workspaces import StsCredentials, Workspace

RENEWED_AT = 1 / 3
"""Credentials are renewed when this part of their life is left: of an hour 20 minutes, so that the kubelet has its two
and AWS's SDKs, which ask again a quarter of an hour before the end, find new ones."""

RETRY_SECONDS = 30.0
"""After a renewal that failed it is tried again so much later; there is time for ten tries."""

_CONFLICT = 409


@dataclass(frozen=True)
class Handover:
    """The credentials of one attempt's pod.

    Attributes:
        role: of the workspace.
        run_id: of the run.
        attempt: of the run.
        namespace: of pod and Secret.
        server: session and Secret of the Spark server that the run uses; both are renewed as long as the run waits.
    """

    role: Role
    run_id: str
    attempt: int
    namespace: str
    server: tuple[str, str] | None = None

    @classmethod
    def of(cls, workspace: Workspace, run_id: str, attempt: int, environment: Mapping[str, str]) -> Handover | None:
        """What is to be handed over; None where the pod gets its credentials another way.

        Raises:
            InvalidSettings: the workspace's connection is not there.
            StoreFailed: it gives no session.
        """
        if not isinstance(workspace.credentials, StsCredentials):
            return None
        return cls(role_of(workspace, environment), run_id, attempt, workspace.namespace)

    @property
    def secret(self) -> str:
        """The Secret's name."""
        return keys.secret_name(self.run_id, self.attempt)

    def obtain(self) -> SessionCredentials:
        """New credentials.

        Raises:
            CredentialsRefused: STS says no.
            CredentialsUnavailable: STS does not answer.
        """
        return self.role.assume(keys.session_name(self.run_id, self.attempt))

    def obtain_all(self) -> dict[str, SessionCredentials]:
        """New credentials by the Secret that they belong into: the pod's own first.

        Raises:
            CredentialsRefused, CredentialsUnavailable: as `obtain` does.
        """
        found = {self.secret: self.obtain()}
        if self.server is not None:
            session, secret = self.server
            found[secret] = self.role.assume(session)
        return found

    def give(self, api: CoreV1Api, pod: k8s.V1Pod, credentials: SessionCredentials) -> None:
        """Makes the pod's Secret, or renews the one that an earlier try has made.

        Raises:
            ApiException: Kubernetes does not take it.
        """
        try:
            _retried(api.create_namespaced_secret, self.namespace, self._secret_of(pod, credentials))
        except ApiException as error:
            if error.status != _CONFLICT:
                raise
            self.renew(api, credentials, pod)

    def renew(self, api: CoreV1Api, credentials: SessionCredentials, pod: k8s.V1Pod | None = None) -> None:
        """Puts new credentials into the Secret.

        Raises:
            ApiException: Kubernetes does not take it.
        """
        _retried(api.patch_namespaced_secret, self.secret, self.namespace, content_of(credentials, pod))

    def _secret_of(self, pod: k8s.V1Pod, credentials: SessionCredentials) -> k8s.V1Secret:
        labels = {name: value for name, value in pod.metadata.labels.items() if name.startswith(keys.LABEL_PREFIX)}
        metadata = k8s.V1ObjectMeta(
            name=self.secret,
            labels={"app.kubernetes.io/name": "daybook", "app.kubernetes.io/component": "run", **labels},
            owner_references=[k8s.V1OwnerReference(**owner_of(pod))],
        )
        return k8s.V1Secret(metadata=metadata, string_data={KEY: credentials.document()}, type="Opaque")


def owner_of(pod: k8s.V1Pod) -> dict[str, str]:
    """The pod as an owner."""
    return {"api_version": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid}


def content_of(credentials: SessionCredentials, pod: k8s.V1Pod | None = None) -> dict[str, Any]:
    """A patch of a Secret: new credentials, and their pod where that is another one than before."""
    found: dict[str, Any] = {"stringData": {KEY: credentials.document()}}
    if pod is not None:
        own = owner_of(pod)
        found["metadata"] = {"ownerReferences": [{"apiVersion": own.pop("api_version"), **own}]}
    return found


def due_at(credentials: SessionCredentials, now: datetime | None = None) -> datetime:
    """When credentials that were just given are to be renewed."""
    now = now or datetime.now(UTC)
    return credentials.expires - (credentials.expires - now) * RENEWED_AT


def _retried(call: Callable[..., Any], *arguments: Any) -> None:
    """A call of the API, tried again where it fails for a passing reason."""
    generic_api_retry(call)(*arguments)  # type: ignore[no-untyped-call]
