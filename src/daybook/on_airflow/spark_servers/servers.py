"""Makes a Spark server where there is none, and tells what becomes of it; one server however many ask at once.

Its name says everything that makes it, so whoever asks for the same asks Kubernetes for the same name, and the first to
make the pod has made it for all. Secret and Service are made once the pod is there, owned by it and so deleted with it;
whoever finds a pod that starts makes what is still missing, for its maker may have died in between. Where that cannot
be made, the pod's maker takes it back, and nobody else does.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubernetes.client import CoreV1Api
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from daybook.contract import keys
from daybook.contract.errors import DaybookError, InfrastructureFailed
from daybook.contract.spark_pod import SPARK_KEY
from daybook.on_airflow.credentials.roles import SessionCredentials
from daybook.on_airflow.pod_api import PodApi, QuotaExceeded, is_no_room, said
from daybook.on_airflow.quota import beyond
from daybook.pods import is_stuck
from daybook.pods.credentials.sts import KEY
from daybook.pods.spark import (
    Answers,
    Ended,
    Look,
    Starts,
    WantedServer,
    credentials_secret_of,
    key_secret,
    look_at,
    server_pod,
    server_service,
)
from daybook.pods.spark.build import CONTAINER, credentials_of, secret_of
from daybook.workspaces import SecretReference, SparkSettings, StsCredentials

LOG_LINES = 20
"""How much of the log of a server that does not answer is told."""
GONE_SECONDS = 60.0
"""How long a server's pod that is being deleted is waited for before another one takes its name."""
STOPPED_SECONDS = 3.0
"""How long Kubernetes may be away for a run that is stopped while it makes a server: Airflow kills it after 5 s."""

_CONFLICT = 409
log = logging.getLogger(__name__)


class SparkUnavailable(InfrastructureFailed):
    """The workspace's Spark server cannot be had; the text says why, in the words of its log or of Kubernetes."""


class SparkRefused(SparkUnavailable):
    """Kubernetes refuses the server, or what belongs to it: another try gives the same."""

    retry_helps = False


@dataclass(frozen=True)
class Awaited:
    """A server that a run has waited for.

    Attributes:
        uid: of its pod.
        why: the reason of its end, where that was seen.
    """

    uid: str
    why: str | None = None

    def of(self, pod: k8s.V1Pod) -> bool:
        """Whether it is this pod's."""
        return bool(self.uid == pod.metadata.uid)


@dataclass(frozen=True)
class Found:
    """A server as it is now.

    Attributes:
        name: of its pod.
        uid: of its pod.
        look: it answers, or it starts; or it ends, and is in another's way until it has.
        secret: with its key.
        credentials: the Secret with the short-lived credentials of its bucket, where it has such.
    """

    name: str
    uid: str
    look: Look
    secret: str
    credentials: str | None = None

    @classmethod
    def of(cls, pod: k8s.V1Pod, look: Look, wanted: WantedServer) -> Found:
        """The server of a pod."""
        secret = credentials_of(pod) if isinstance(wanted.workspace.credentials, StsCredentials) else None
        return cls(pod.metadata.name, pod.metadata.uid, look, secret_of(pod), secret)

    @property
    def settings(self) -> SparkSettings:
        """How a run's pod reaches a server that answers."""
        if not isinstance(self.look, Answers):
            raise TypeError(f"server {self.name} does not answer yet")
        token = SecretReference(name=self.secret, key=SPARK_KEY)
        return SparkSettings(remote=self.look.remote, ui=self.look.ui, token=token)


class SparkServers:
    """The servers of a cluster.

    Args:
        client: gives the API client; asked at each call.
        credentials: gives a workspace's short-lived credentials for a session of that name; None of other kinds.
        pods: how Kubernetes is asked; patiently, unless told otherwise.
    """

    def __init__(
        self,
        client: Callable[[], CoreV1Api],
        credentials: Callable[[str], SessionCredentials | None] = lambda _: None,
        pods: PodApi | None = None,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._pods = pods or PodApi(client)

    def ensure(self, wanted: WantedServer, awaited: Awaited | None = None) -> Found:
        """The server as it is now; made where there is none.

        Args:
            wanted: which.
            awaited: the one that this run has waited for so far; where it failed, no other one is tried.

        Raises:
            SparkUnavailable: it failed, or cannot be made; nothing half-made of this run's making is left.
            SparkRefused: Kubernetes refuses it.
            QuotaExceeded: there is no room for it now; nothing was made.
            CredentialsRefused, CredentialsUnavailable: it can have no credentials of its bucket.
            InfrastructureFailed: Kubernetes does not answer.
        """
        pod = self._pods.read(wanted.name, wanted.workspace.namespace)
        if pod is not None:
            look = self._look(wanted, pod)
            if isinstance(look, Starts) and awaited is not None and awaited.of(pod) and awaited.why is not None:
                raise SparkUnavailable(_failed(wanted.name, awaited.why))
            if not isinstance(look, Ended):
                return self._taken(wanted, pod, look, awaited)
            if not self._removed(pod, look, awaited):
                return Found.of(pod, look, wanted)
        if awaited is not None and awaited.why is not None:
            raise SparkUnavailable(_failed(wanted.name, awaited.why))
        return self._made(wanted)

    def remove(self, name: str, namespace: str, uid: str) -> None:
        """Ends a server, and with it its Secrets and Service; another one of its name stays, one that is gone is fine.

        Raises:
            InfrastructureFailed: Kubernetes refuses, or does not answer.
        """
        self._pods.delete(k8s.V1Pod(metadata=k8s.V1ObjectMeta(name=name, namespace=namespace, uid=uid)))

    def _taken(self, wanted: WantedServer, pod: k8s.V1Pod, look: Look, awaited: Awaited | None) -> Found:
        """A server that is there; what it lacks it is given where this run sees it for the first time."""
        if isinstance(look, Answers):
            self._renew(pod, self._credentials(wanted.name))
        elif isinstance(look, Starts) and not (awaited is not None and awaited.of(pod)):
            self._complete(pod, self._credentials(wanted.name))
        return Found.of(pod, look, wanted)

    def _made(self, wanted: WantedServer) -> Found:
        obtained = self._credentials(wanted.name)  # before there is a pod: where the role is refused, nothing starts
        try:
            pod = self._pods.create(server_pod(wanted, uuid.uuid4().hex))
        except ApiException as error:
            if error.status != _CONFLICT:
                raise _refused(f"Spark server {wanted.name}", error) from error
            pod = self._pods.read(wanted.name, wanted.workspace.namespace)
            if pod is None:
                return self._made(wanted)
            log.info("Spark server %s was made by another run at this very moment", wanted.name)
            return self._taken(wanted, pod, self._look(wanted, pod), None)
        log.info("Spark server %s (%s) is made", wanted.name, wanted.profile)
        try:
            self._complete(pod, obtained)
        except DaybookError:
            self._take_back(pod, self._pods)
            raise
        except BaseException:  # Airflow's task timeout, a signal: who is stopped has little time
            self._take_back(pod, PodApi(self._client, STOPPED_SECONDS))
            raise
        return Found.of(pod, self._look(wanted, pod), wanted)

    def _look(self, wanted: WantedServer, pod: k8s.V1Pod) -> Look:
        return look_at(pod, wanted.server.start_seconds, datetime.now(UTC))

    def _complete(self, pod: k8s.V1Pod, obtained: SessionCredentials | None) -> None:
        """Makes what belongs to a pod and is not there.

        Raises:
            QuotaExceeded: there is no room for it now.
            SparkRefused: Kubernetes refuses it.
            SparkUnavailable: Kubernetes does not answer.
        """
        namespace = pod.metadata.namespace
        self._create(pod, lambda api: api.create_namespaced_service(namespace, server_service(pod)))
        if obtained is not None:
            secret = credentials_secret_of(pod, obtained.document())
            self._create(pod, lambda api: api.create_namespaced_secret(namespace, secret))
        # Last: no pod starts without its key, so one that answers has everything, whenever its maker died.
        self._create(pod, lambda api: api.create_namespaced_secret(namespace, key_secret(pod)))

    def _create(self, pod: k8s.V1Pod, create: Callable[[CoreV1Api], Any]) -> None:
        name = pod.metadata.name
        try:
            self._pods.until_answered(
                lambda: create(self._client()), meanwhile=f"Spark server {name} was not completed"
            )
        except ApiException as error:
            if error.status == _CONFLICT:
                return  # its maker, or another run that waits for it, was quicker
            if is_no_room(error):
                raise QuotaExceeded(said(error)) from error
            raise _refused(f"what Spark server {name} needs", error) from error
        except InfrastructureFailed as error:
            raise SparkUnavailable(str(error)) from error

    def _take_back(self, pod: k8s.V1Pod, pods: PodApi) -> None:
        """Removes a pod that was made here and could not be completed; one that stays, the next run completes."""
        try:
            pods.delete(pod)
        except InfrastructureFailed as error:
            log.warning("Spark server %s is not complete, and stays until the next run: %s", pod.metadata.name, error)

    def _renew(self, pod: k8s.V1Pod, obtained: SessionCredentials | None) -> None:
        if obtained is None:
            return
        name = credentials_of(pod)
        body = {"stringData": {KEY: obtained.document()}}
        try:
            self._client().patch_namespaced_secret(name, pod.metadata.namespace, body)
        except (ApiException, HTTPError) as error:
            log.warning("The credentials of Spark server %s are not renewed: %s", pod.metadata.name, said(error))

    def _removed(self, pod: k8s.V1Pod, ended: Ended, awaited: Awaited | None) -> bool:
        """Takes an ended server away, so that another may have its name; a failure of the one awaited is told.

        Tells whether it is gone; one whose node does not answer has time for that, and may be waited for elsewhere.
        One on a lost node is deleted by force, and may run on there. Nobody takes it for the new one: key, Secrets and
        Service are each pod's own.
        """
        why = self._why(pod, ended)
        by_force = is_stuck(pod, datetime.now(UTC))
        self._pods.delete(pod, by_force=by_force)
        if ended.failed and awaited is not None and awaited.of(pod):
            raise SparkUnavailable(_failed(pod.metadata.name, why))
        log.info("Spark server %s is replaced: %s", pod.metadata.name, why)
        gone = self._pods.wait_until_gone(pod, GONE_SECONDS)
        if by_force and not gone:
            raise SparkUnavailable(f"Spark server {pod.metadata.name} is deleted by force, and is still there")
        return gone

    def _why(self, pod: k8s.V1Pod, ended: Ended) -> str:
        """The reason of an end; of a server that runs on and gives no answer with the last lines of its log."""
        if not ended.failed or pod.status.phase != "Running":
            return ended.why
        try:
            tail = self._pods.log_end(pod, CONTAINER, LOG_LINES)
        except (ApiException, HTTPError):
            return ended.why
        return f"{ended.why}; its log ends:\n{tail}"


def _failed(name: str, why: str) -> str:
    return f"the workspace's Spark server {name} did not start: {why}"


def _refused(what: str, error: ApiException) -> SparkRefused:
    too_much = beyond(said(error))
    why = f"it asks for more than the namespace's whole quota has ({too_much}): " if too_much else ""
    return SparkRefused(f"Kubernetes refuses {what}: {why}{said(error)}")


def labels_of_workspace(workspace: str) -> str:
    """The selector of all Spark servers' pods of a workspace."""
    return (
        "app.kubernetes.io/name=daybook,app.kubernetes.io/component=spark-server,"
        f"{keys.WORKSPACE_LABEL}={keys.label_value(workspace)}"
    )
