"""The provider's ways to a pod, made patient: a Kubernetes API that is away is waited for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from airflow.providers.cncf.kubernetes.hooks.kubernetes import AsyncKubernetesHook
from airflow.providers.cncf.kubernetes.utils.container import container_is_completed
from airflow.providers.cncf.kubernetes.utils.pod_manager import (
    PodManager,
    PodPhase,
    detect_pod_terminate_early_issues,
)
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from kubernetes_asyncio.client import CoreV1Api, V1DeleteOptions, V1Preconditions
from kubernetes_asyncio.client.exceptions import ApiException as AsyncApiException

from daybook.on_airflow.pod_api import PATIENCE_SECONDS, PodApi
from daybook.pods import CONTAINER, is_stuck

if TYPE_CHECKING:
    from kubernetes_asyncio.client.models import V1Pod

_PAUSE_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_NOT_FOUND = 404
_CONFLICT = 409
_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429

log = logging.getLogger(__name__)
T = TypeVar("T")


class PatientPodManager(PodManager):
    """A `PodManager` that waits for the API, and not for ever for a pod whose node is gone."""

    def __init__(self, pods: PodApi, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._pods = pods

    def read_pod(self, pod: k8s.V1Pod) -> k8s.V1Pod:
        """The pod as it is now.

        Raises:
            ApiException: there is none (404).
            InfrastructureFailed: Kubernetes refuses to tell, or does not answer.
        """
        found = self._pods.read(pod.metadata.name, pod.metadata.namespace)
        if found is None:
            raise ApiException(status=_NOT_FOUND, reason=f"pod {pod.metadata.name} is gone")
        return found

    def await_pod_completion(self, pod: k8s.V1Pod, *_: Any, **__: Any) -> k8s.V1Pod:
        """Waits until the notebook's container has ended, or cannot begin, or its node will not say any more."""
        while True:
            found = self.read_pod(pod)
            ended = found.status.phase in PodPhase.terminal_states or container_is_completed(found, CONTAINER)
            if ended or is_stuck(found, datetime.now(UTC)) or detect_pod_terminate_early_issues(found):
                return found
            time.sleep(_LOOK_SECONDS)


class PatientHook(AsyncKubernetesHook):
    """An `AsyncKubernetesHook` that waits for an API that is away, as `PodApi` does in a worker."""

    async def get_pod(self, name: str, namespace: str) -> V1Pod:
        """The pod as it is now.

        Raises:
            ApiException: Kubernetes refuses (404: there is none), or has not answered for long.
        """
        return await _patiently(lambda: AsyncKubernetesHook.get_pod(self, name, namespace))

    async def delete_this_pod(self, name: str, namespace: str, uid: str) -> None:
        """Deletes the pod of this UID, whatever else has its name by now; one that is gone is fine.

        Raises:
            ApiException: Kubernetes refuses, or has not answered for long.
        """

        async def delete() -> None:
            async with self.get_conn() as connection:
                this = V1DeleteOptions(preconditions=V1Preconditions(uid=uid))
                await CoreV1Api(connection).delete_namespaced_pod(name, namespace, body=this)

        try:
            await _patiently(delete)
        except AsyncApiException as error:
            if error.status not in (_NOT_FOUND, _CONFLICT):
                raise


@dataclass(frozen=True)
class Connection:
    """How the triggerer reaches a run's pods: the operator's own arguments.

    `connection_extras` is what the named connection says, where a worker knows it: a triggerer may not.
    """

    kubernetes_conn_id: str | None = None
    in_cluster: bool | None = None
    config_dict: dict[str, Any] | None = None
    cluster_context: str | None = None
    connection_extras: dict[str, Any] | None = None

    def hook(self) -> PatientHook:
        """The way to Kubernetes."""
        return PatientHook(
            conn_id=self.kubernetes_conn_id,
            in_cluster=self.in_cluster,
            config_dict=self.config_dict,
            cluster_context=self.cluster_context,
            connection_extras=self.connection_extras,
        )


def extras_of(kubernetes_conn_id: str | None) -> dict[str, Any] | None:
    """What a connection says, as the provider hands it to its own trigger; None where there is none here."""
    if not kubernetes_conn_id:
        return None
    try:
        found: dict[str, Any] = BaseHook.get_connection(kubernetes_conn_id).extra_dejson
    except AirflowNotFoundException:
        return None  # the triggerer looks for it itself
    return found


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await ask()
        except (AsyncApiException, aiohttp.ClientError, OSError) as error:
            if not is_passing(error) or time.monotonic() > deadline:
                raise
            log.warning("Kubernetes does not answer, asking again: %s", error)
        await asyncio.sleep(_PAUSE_SECONDS)


def is_passing(error: Exception) -> bool:
    """Whether the API is just not there now."""
    if not isinstance(error, AsyncApiException):
        return True
    status = error.status or _SERVER_ERROR
    return bool(status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS)
