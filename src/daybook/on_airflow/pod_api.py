"""What the operator asks Kubernetes of its pods. An API that is away is waited for, never taken for an answer."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from kubernetes.client import CoreV1Api
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from daybook.contract import keys
from daybook.contract.errors import InfrastructureFailed
from daybook.contract.manifest import Reason, State
from daybook.pods import GRACE_SECONDS, Ending
from daybook.storage.credentials import CredentialsRefused, CredentialsUnavailable

PATIENCE_SECONDS = 300.0
"""How long an API server may be away: a restart of a control plane takes minutes."""

GONE_SECONDS = GRACE_SECONDS + 15.0
"""How long a deleted pod may take to be gone: its grace period, and some for the node."""

_PAUSE_SECONDS = 2.0
_NOT_FOUND = 404
_CLIENT_ERRORS = range(400, 500)
_TOO_MANY_REQUESTS = 429

log = logging.getLogger(__name__)
T = TypeVar("T")


class PodApi:
    """The pods of runs.

    Args:
        client: gives the API client; asked at each call, since credentials may have been renewed.
        patience_seconds: how long to wait for an API that does not answer.
    """

    def __init__(self, client: Callable[[], CoreV1Api], patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._client = client
        self._patience = patience_seconds

    def of_run(self, run_id: str, namespace: str) -> list[k8s.V1Pod]:
        """The pods of a run that nobody has deleted, oldest attempt first.

        Raises:
            InfrastructureFailed: Kubernetes refuses to tell, or does not answer.
        """
        selector = f"{keys.RUN_LABEL}={keys.label_value(run_id)}"
        found = self._ask(
            lambda: self._client().list_namespaced_pod(namespace=namespace, label_selector=selector).items
        )
        alive = [pod for pod in found or [] if pod.metadata.deletion_timestamp is None]
        return sorted(alive, key=attempt_of)

    def read(self, name: str, namespace: str) -> k8s.V1Pod | None:
        """A pod as it is now; None only where Kubernetes says that there is none.

        Raises:
            InfrastructureFailed: Kubernetes refuses to tell, or does not answer.
        """
        return self._ask(lambda: self._client().read_namespaced_pod(name, namespace))

    def wait_until_gone(self, pod: k8s.V1Pod) -> None:
        """Waits for a deleted pod to be gone, as long as that may take.

        Raises:
            InfrastructureFailed: Kubernetes refuses to tell, or does not answer.
        """
        deadline = time.monotonic() + GONE_SECONDS
        while time.monotonic() < deadline:
            found = self.read(pod.metadata.name, pod.metadata.namespace)
            if found is None or found.metadata.uid != pod.metadata.uid:
                return
            time.sleep(0.5)
        log.warning("Pod %s is still there %.0f s after it was deleted", pod.metadata.name, GONE_SECONDS)

    def _ask(self, question: Callable[[], T]) -> T | None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return question()
            except (ApiException, HTTPError) as error:
                if isinstance(error, ApiException) and error.status == _NOT_FOUND:
                    return None
                if is_refusal(error):
                    raise InfrastructureFailed(f"Kubernetes refuses to answer: {said(error)}") from error
                if time.monotonic() > deadline:
                    text = f"Kubernetes has not answered for {self._patience:.0f} s ({said(error)}); the pod goes on"
                    raise InfrastructureFailed(text) from error
                log.warning("Kubernetes does not answer, asking again: %s", said(error))
            time.sleep(_PAUSE_SECONDS)


def attempt_of(pod: k8s.V1Pod) -> int:
    """The attempt that a pod executes."""
    return int(pod.metadata.labels[keys.ATTEMPT_LABEL])


def is_refusal(error: Exception) -> bool:
    """Whether Kubernetes answered, and the answer was no: asking again gives the same."""
    return isinstance(error, ApiException) and error.status in _CLIENT_ERRORS and error.status != _TOO_MANY_REQUESTS


def refusal(error: Exception | None) -> Ending | None:
    """What to seal a run with whose pod Kubernetes refused to make, or that has no credentials; None for others."""
    if isinstance(error, CredentialsRefused | CredentialsUnavailable):
        return Ending(State.FAILED, Reason.POD_FAILED, f"the pod can have no credentials: {error}")
    if error is None or not is_refusal(error):
        return None
    return Ending(State.FAILED, Reason.POD_FAILED, f"Kubernetes refused to make the pod: {said(error)}")


def said(error: Exception) -> str:
    """What an API error says to a person, in one line."""
    if isinstance(error, ApiException):
        try:
            message = json.loads(error.body or "")["message"]
        except (ValueError, KeyError, TypeError):
            message = error.reason
        return f"{error.status} {message}".strip()
    return (str(error).strip() or type(error).__name__).splitlines()[0]
