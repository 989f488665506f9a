"""The pods and Secrets of a workspace in its namespace: listing, and deleting what is still what was seen."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from kubernetes.client import CoreV1Api
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from daybook.contract import keys
from daybook.contract.errors import InfrastructureFailed

_PAGE = 500
"""How many objects one answer holds."""
_SECONDS = 60.0
"""How long an answer may take."""
_FORBIDDEN = 403
_GONE = (404, 409)
"""It is not there any more, or no longer what was seen."""

Verb = Callable[[CoreV1Api], Callable[..., Any]]


class Cluster:
    """What a sweep asks of Kubernetes.

    Args:
        client: gives the API client; asked when it is first needed, for without one the rest of a sweep can be done.
        namespace: of the workspace.
        workspace: its name; others may share the namespace.
    """

    def __init__(self, client: Callable[[], CoreV1Api], namespace: str, workspace: str) -> None:
        self._client = cache(client)
        self._namespace = namespace
        ours = f"app.kubernetes.io/name=daybook,{keys.WORKSPACE_LABEL}={keys.label_value(workspace)}"
        self._selector = f"{ours},{keys.RUN_LABEL}"
        self._spark_selector = f"{ours},app.kubernetes.io/component=spark-server"

    def pods(self) -> list[k8s.V1Pod]:
        """The pods of the workspace's runs.

        Raises:
            InfrastructureFailed: Kubernetes refuses to tell, or does not answer.
        """
        return self._listed(lambda api: api.list_namespaced_pod, self._selector, "list the pods")

    def spark_servers(self) -> list[k8s.V1Pod]:
        """The pods of the workspace's Spark servers; what belongs to one goes with its pod.

        Raises:
            InfrastructureFailed: Kubernetes refuses to tell, or does not answer.
        """
        return self._listed(lambda api: api.list_namespaced_pod, self._spark_selector, "list the Spark servers")

    def secrets(self) -> list[k8s.V1Secret]:
        """The Secrets that were made for the workspace's runs.

        Raises:
            InfrastructureFailed: Kubernetes refuses to tell, or does not answer.
        """
        return self._listed(lambda api: api.list_namespaced_secret, self._selector, "list the Secrets")

    def delete_pod(self, pod: k8s.V1Pod) -> bool:
        """Deletes a pod with its grace; False where it is no longer what was seen.

        Raises:
            InfrastructureFailed: Kubernetes refuses, or does not answer.
        """
        return self._deleted(lambda api: api.delete_namespaced_pod, pod.metadata, "delete pod")

    def delete_secret(self, secret: k8s.V1Secret) -> bool:
        """Deletes a Secret; False where it is no longer what was seen.

        Raises:
            InfrastructureFailed: Kubernetes refuses, or does not answer.
        """
        return self._deleted(lambda api: api.delete_namespaced_secret, secret.metadata, "delete Secret")

    def _listed(self, verb: Verb, selector: str, what: str) -> list[Any]:
        found: list[Any] = []
        further: dict[str, str] = {}
        while True:
            try:
                page = verb(self._client())(
                    self._namespace, label_selector=selector, limit=_PAGE, _request_timeout=_SECONDS, **further
                )
            except (ApiException, HTTPError, ConfigException) as error:
                raise _failed(error, f"{what} in namespace {self._namespace}") from error
            found.extend(page.items)
            if not page.metadata._continue:
                return found
            further = {"_continue": page.metadata._continue}

    def _deleted(self, verb: Verb, metadata: k8s.V1ObjectMeta, what: str) -> bool:
        # Not the one that has the name by now, and not one that has changed since we decided.
        same = k8s.V1Preconditions(uid=metadata.uid, resource_version=metadata.resource_version)
        body = k8s.V1DeleteOptions(preconditions=same)
        try:
            verb(self._client())(metadata.name, self._namespace, body=body, _request_timeout=_SECONDS)
        except ApiException as error:
            if error.status in _GONE:
                return False
            raise _failed(error, f"{what} {metadata.name}") from error
        except (HTTPError, ConfigException) as error:
            raise _failed(error, f"{what} {metadata.name}") from error
        return True


def _failed(error: Exception, what: str) -> InfrastructureFailed:
    said = f"{error.status} {error.reason}" if isinstance(error, ApiException) else str(error).partition("\n")[0]
    hint = "; give Airflow's service account this right" if getattr(error, "status", None) == _FORBIDDEN else ""
    return InfrastructureFailed(f"cannot {what}: {said}{hint}")
