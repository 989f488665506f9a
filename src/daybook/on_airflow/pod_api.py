"""What the operator asks Kubernetes of its pods. An API that is away is waited for, never taken for an answer."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

from kubernetes.client import CoreV1Api
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from daybook.contract import keys
from daybook.contract.errors import InfrastructureFailed
from daybook.contract.manifest import Reason, State
from daybook.on_airflow.quota import beyond, is_quota
from daybook.pods import GRACE_SECONDS, Ending
from daybook.storage.credentials import CredentialsRefused, CredentialsUnavailable

PATIENCE_SECONDS = 300.0
"""How long an API server may be away: a restart of a control plane takes minutes."""

GONE_SECONDS = GRACE_SECONDS + 15.0
"""How long a deleted pod may take to be gone: its grace period, and some for the node."""

LOG_SECONDS = 30.0
"""How long a log may not be had; the record has the runner's own copy of it."""

MADE_BY = f"{keys.LABEL_PREFIX}/made-by"
"""Annotation: a word that only the request that made the pod knew before."""

_PAUSE_SECONDS = 2.0
_LOOK_SECONDS = 0.5
_FORBIDDEN = 403
_NOT_FOUND = 404
_CONFLICT = 409
_CLIENT_ERRORS = range(400, 500)
_TOO_MANY_REQUESTS = 429

log = logging.getLogger(__name__)
T = TypeVar("T")


class QuotaExceeded(InfrastructureFailed):
    """The namespace's quota has no room for the pod now; nothing was made."""


class PodApi:
    """The pods of runs.

    Args:
        client: gives the API client; asked at each call, since credentials may have been renewed.
        patience_seconds: how long to wait for an API that does not answer.
        pause_seconds: between two tries.
    """

    def __init__(
        self,
        client: Callable[[], CoreV1Api],
        patience_seconds: float = PATIENCE_SECONDS,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._client = client
        self._patience = patience_seconds
        self._pause = pause_seconds

    def create(self, pod: k8s.V1Pod) -> k8s.V1Pod:
        """Makes a pod, once, also where the answer to a first try was lost.

        Raises:
            QuotaExceeded: there is no room for it now.
            ApiException: Kubernetes refuses it, or somebody else's pod has its name.
            InfrastructureFailed: Kubernetes does not answer.
        """
        word = uuid.uuid4().hex
        pod.metadata.annotations = {**(pod.metadata.annotations or {}), MADE_BY: word}
        name, namespace = pod.metadata.name, pod.metadata.namespace
        try:
            return self.until_answered(lambda: self._client().create_namespaced_pod(namespace=namespace, body=pod))
        except ApiException as error:
            if is_no_room(error):
                raise QuotaExceeded(said(error)) from error
            found = self.read(name, namespace) if error.status == _CONFLICT else None
            if found is not None and (found.metadata.annotations or {}).get(MADE_BY) == word:
                return found
            raise

    def read(self, name: str, namespace: str) -> k8s.V1Pod | None:
        """A pod as it is now; None only where Kubernetes says that there is none.

        Raises:
            InfrastructureFailed: Kubernetes refuses to tell, or does not answer.
        """
        return self._ask(lambda: self._client().read_namespaced_pod(name, namespace))

    def delete(self, pod: k8s.V1Pod, *, by_force: bool = False) -> None:
        """Deletes this very pod, whatever else has its name by now; one that is gone is fine.

        Args:
            pod: which.
            by_force: although nobody knows whether its containers have ended, since its node does not answer.

        Raises:
            InfrastructureFailed: Kubernetes refuses, or does not answer.
        """
        this = k8s.V1DeleteOptions(
            preconditions=k8s.V1Preconditions(uid=pod.metadata.uid), grace_period_seconds=0 if by_force else None
        )
        name, namespace = pod.metadata.name, pod.metadata.namespace
        self._ask(lambda: self._client().delete_namespaced_pod(name, namespace, body=this), replaced_is_gone=True)

    def wait_until_gone(self, pod: k8s.V1Pod, seconds: float = GONE_SECONDS) -> bool:
        """Waits for a deleted pod to be gone, as long as that may take; tells whether it is.

        Raises:
            InfrastructureFailed: Kubernetes refuses to tell, or does not answer.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = self.read(pod.metadata.name, pod.metadata.namespace)
            if found is None or found.metadata.uid != pod.metadata.uid:
                return True
            if time.monotonic() > deadline:
                log.warning("Pod %s is still there %.0f s after it was deleted", pod.metadata.name, seconds)
                return False
            time.sleep(_LOOK_SECONDS)

    def log_lines(self, pod: k8s.V1Pod, container: str) -> Iterator[str]:
        """The container's log as far as it goes, each line once; what breaks on the way is taken up where it broke.

        Raises:
            ApiException, HTTPError: it cannot be had (any more).
        """
        given = 0
        deadline = time.monotonic() + LOG_SECONDS
        while True:
            try:
                for number, line in enumerate(self._log(pod, container)):
                    if number >= given:
                        given += 1
                        yield line
                return
            except (ApiException, HTTPError) as error:
                if is_refusal(error) or time.monotonic() > deadline:
                    raise
                log.warning("The log broke off, reading on: %s", said(error))
            time.sleep(self._pause)

    def until_answered(self, question: Callable[[], T], meanwhile: str = "the pod goes on") -> T:
        """What Kubernetes answers; asked again while it does not.

        Args:
            question: the request.
            meanwhile: what becomes of its matter where there is no answer, for a person.

        Raises:
            ApiException: Kubernetes refuses.
            InfrastructureFailed: it does not answer.
        """
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return question()
            except (ApiException, HTTPError) as error:
                if is_refusal(error):
                    raise
                if time.monotonic() > deadline:
                    text = f"Kubernetes has not answered for {self._patience:.0f} s ({said(error)}); {meanwhile}"
                    raise InfrastructureFailed(text) from error
                log.warning("Kubernetes does not answer, asking again: %s", said(error))
            time.sleep(self._pause)

    def log_end(self, pod: k8s.V1Pod, container: str, lines: int) -> str:
        """The last lines of the container's log.

        Raises:
            ApiException, HTTPError: it cannot be had.
        """
        return "\n".join(self._log(pod, container, tail_lines=lines)).strip()

    def _log(self, pod: k8s.V1Pod, container: str, **which: int) -> Iterator[str]:
        # The client's own reading makes "b'…'" of it.
        answer = self._client().read_namespaced_pod_log(
            name=pod.metadata.name,
            namespace=pod.metadata.namespace,
            container=container,
            _preload_content=False,
            **which,
        )
        for line in answer:
            yield line.decode(errors="backslashreplace").rstrip("\n")

    def _ask(self, question: Callable[[], T], *, replaced_is_gone: bool = False) -> T | None:
        try:
            return self.until_answered(question)
        except ApiException as error:
            if error.status == _NOT_FOUND or (replaced_is_gone and error.status == _CONFLICT):
                return None
            raise InfrastructureFailed(f"Kubernetes refuses to answer: {said(error)}") from error


def is_refusal(error: Exception) -> bool:
    """Whether Kubernetes answered, and the answer was no: asking again gives the same."""
    if not isinstance(error, ApiException) or error.status not in _CLIENT_ERRORS:
        return False
    return error.status != _TOO_MANY_REQUESTS and not _is_clash(error)


def is_no_room(error: Exception) -> bool:
    """Whether a quota refuses what it may take later, when other pods have ended."""
    if not isinstance(error, ApiException) or error.status != _FORBIDDEN:
        return False
    return is_quota(said(error)) and beyond(said(error)) is None


def refusal(error: Exception | None) -> Ending | None:
    """What to seal a run with whose pod Kubernetes refused to make, or that has no credentials; None for others."""
    if isinstance(error, CredentialsRefused | CredentialsUnavailable):
        reason = Reason.CREDENTIALS_REFUSED if isinstance(error, CredentialsRefused) else Reason.POD_FAILED
        return Ending(State.FAILED, reason, f"the pod can have no credentials: {error}")
    if error is None or not is_refusal(error):
        return None
    if isinstance(error, ApiException) and error.status == _CONFLICT:
        return Ending(
            State.LOST, Reason.POD_FAILED, f"somebody else's pod has the name of this attempt's: {said(error)}"
        )
    too_much = beyond(said(error))
    why = f"it asks for more than the namespace's whole quota has ({too_much}): " if too_much else ""
    return Ending(State.FAILED, Reason.POD_REFUSED, f"Kubernetes refused to make the pod: {why}{said(error)}")


def said(error: Exception) -> str:
    """What an API error says to a person, in one line."""
    if isinstance(error, ApiException):
        return f"{error.status} {_document(error).get('message') or error.reason}".strip()
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _is_clash(error: ApiException) -> bool:
    """Two requests changed one object (a quota's count) at once: a 409 as well, but one that passes."""
    return error.status == _CONFLICT and _document(error).get("reason") == "Conflict" and "quota" in said(error)


def _document(error: ApiException) -> dict[str, str]:
    try:
        found = json.loads(error.body or "")
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
