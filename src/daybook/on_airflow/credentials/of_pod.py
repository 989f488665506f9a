"""The credentials of the pod that a task has made, from before the pod exists to its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kubernetes.client import CoreV1Api, V1DeleteOptions, V1Preconditions
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from daybook.on_airflow.credentials.handover import RETRY_SECONDS, Handover, content_of, due_at
from daybook.on_airflow.credentials.roles import SessionCredentials
from daybook.on_airflow.pod_api import is_no_room, is_refusal
from daybook.storage.credentials import CredentialsRefused, CredentialsUnavailable

_NOT_FOUND = 404
_FAILURES = (CredentialsRefused, CredentialsUnavailable, ApiException, HTTPError)
log = logging.getLogger(__name__)


class PodCredentials:
    """What an operator does about its pod's credentials; nothing for kinds that need nothing of it.

    Args:
        handover: of the pod; None where it gets its credentials another way.
        client: gives the API client.
    """

    def __init__(self, handover: Handover | None = None, client: Callable[[], CoreV1Api] | None = None) -> None:
        self._handover = handover
        self._client = client or CoreV1Api
        self._obtained: SessionCredentials | None = None
        self._keeper: Keeper | None = None

    def obtain(self) -> None:
        """Gets the credentials, before there is a pod.

        Raises:
            CredentialsRefused: STS says no.
            CredentialsUnavailable: STS does not answer.
        """
        if self._handover is not None:
            self._obtained = self._handover.obtain()

    def give(self, pod: k8s.V1Pod, *, renewing: bool) -> dict[str, str]:
        """Gives them to the pod; where that cannot be, the pod is deleted, since it would wait for them for ever.

        Args:
            pod: as Kubernetes made it.
            renewing: whether they are renewed from here until `close`, or else by the trigger.

        Returns:
            What the trigger has to know.

        Raises:
            CredentialsRefused: Kubernetes refuses to take them.
            CredentialsUnavailable: Kubernetes does not take them now.
        """
        if self._handover is None or self._obtained is None:
            return {}
        try:
            self._handover.give(self._client(), pod, self._obtained)
        except (ApiException, HTTPError) as error:
            self._delete(pod)
            refused = is_refusal(error) and not is_no_room(error)
            kind = CredentialsRefused if refused else CredentialsUnavailable
            raise kind(f"Kubernetes does not take their Secret: {said(error)}") from None
        return self._noted(due_at(self._obtained), renewing)

    def give_again(self, pod: k8s.V1Pod, *, renewing: bool) -> dict[str, str]:
        """Gives new ones to a pod that an earlier try has made; where that fails the pod goes on with what it has.

        Args:
            pod: as Kubernetes has it.
            renewing: as for `give`.

        Returns:
            What the trigger has to know.
        """
        if self._handover is None:
            return {}
        due = datetime.now(UTC)
        try:
            obtained = self._handover.obtain()
            self._handover.give(self._client(), pod, obtained)
            due = due_at(obtained)
        except _FAILURES as error:
            log.warning("The pod's credentials are not renewed, trying again: %s", said(error))
        return self._noted(due, renewing)

    def _noted(self, due: datetime, renewing: bool) -> dict[str, str]:
        if renewing:
            self._keeper = Keeper(self._renew, due)
        return {"credentials_due": due.isoformat()}

    def serve(self, session: str, secret: str) -> None:
        """From now on renews those of a Spark server, too."""
        if self._handover is not None:
            self._handover = replace(self._handover, server=(session, secret))

    def close(self) -> None:
        """Renews no more; twice is fine."""
        if self._keeper is not None:
            self._keeper.close()

    def _renew(self) -> datetime:
        if self._handover is None:
            raise RuntimeError("there is nothing to renew")
        obtained = self._handover.obtain_all()
        for secret, credentials in obtained.items():
            try:
                self._client().patch_namespaced_secret(secret, self._handover.namespace, content_of(credentials))
            except ApiException as error:
                if secret == self._handover.secret or error.status != _NOT_FOUND:  # a Spark server may be gone
                    raise
        return due_at(obtained[self._handover.secret])

    def _delete(self, pod: k8s.V1Pod) -> None:
        # It has not started, so nothing of it needs a grace. What cannot be deleted now is found by the caller.
        options = V1DeleteOptions(grace_period_seconds=0, preconditions=V1Preconditions(uid=pod.metadata.uid))
        with suppress(ApiException, HTTPError):
            self._client().delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace, body=options)


class Keeper:
    """Renews from a thread, for a task that waits for its pod itself.

    Args:
        renew: gets and hands over new credentials, and tells when the next are due.
        due: when the first are due.
    """

    def __init__(self, renew: Callable[[], datetime], due: datetime) -> None:
        self._renew = renew
        self._due = due
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="credentials", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it; twice is fine."""
        self._closed.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._closed.wait(max(0.0, (self._due - datetime.now(UTC)).total_seconds())):
            try:
                self._due = self._renew()
            except _FAILURES as error:
                log.warning("The pod's credentials are not renewed, trying again: %s", said(error))
                self._due = datetime.now(UTC) + timedelta(seconds=RETRY_SECONDS)


def said(error: Any) -> str:
    """What an error says; of one of Kubernetes' API not the body, which may repeat what was sent."""
    return f"{error.status} {error.reason}" if hasattr(error, "status") else str(error)
