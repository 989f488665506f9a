"""What the command line asks of a localpods: are you there, and end everything."""

from __future__ import annotations

import json
import time
from typing import Any, Final

import httpx

from daybook.contract.errors import InfrastructureFailed

_ANSWER_SECONDS: Final = 5.0
_WATCH_SECONDS: Final = 30
_UNFINISHED: Final = "status.phase!=Succeeded,status.phase!=Failed"
_PODS: Final = "/api/v1/pods"


def is_ready(server: str) -> bool:
    """Whether a localpods answers at this address."""
    try:
        answer = httpx.get(f"{server}/readyz", timeout=_ANSWER_SECONDS, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK and answer.text == "ok"


def unfinished_pods(server: str, token: str) -> list[str]:
    """`namespace/name` of every pod that has not finished.

    Raises:
        InfrastructureFailed: localpods does not answer, or does not take the token.
    """
    with _client(server, token) as client:
        return _names(_asked(client, "GET")["items"])


def end_all(server: str, token: str, timeout_seconds: float, grace_seconds: int | None = None) -> list[str]:
    """Ends every pod that has not finished and waits until they are gone. Finished pods stay.

    Args:
        server: such as `http://127.0.0.1:6440`.
        token: the bearer token.
        timeout_seconds: how long to wait for the last one.
        grace_seconds: from SIGTERM to SIGKILL; None is what each pod says itself.

    Returns:
        `namespace/name` of the pods that were ended.

    Raises:
        InfrastructureFailed: localpods does not answer or take the token, or pods are left when the time is over.
    """
    until = time.monotonic() + timeout_seconds
    options = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
    with _client(server, token) as client:
        ended = _names(_asked(client, "DELETE", json=options)["items"])
        while True:
            found = _asked(client, "GET")
            if not found["items"]:
                return ended
            left = until - time.monotonic()
            if left <= 0:
                names = ", ".join(_names(found["items"]))
                raise InfrastructureFailed(f"pods did not end within {timeout_seconds:g} s: {names}")
            _await_change(client, found["metadata"]["resourceVersion"], left)


def _await_change(client: httpx.Client, version: str, seconds: float) -> None:
    lasting = max(1, min(int(seconds) + 1, _WATCH_SECONDS))
    query: dict[str, str | int] = {"watch": "true", "resourceVersion": version, "timeoutSeconds": lasting}
    timeout = httpx.Timeout(_ANSWER_SECONDS, read=lasting + _ANSWER_SECONDS)
    try:
        with client.stream("GET", _PODS, params=query, timeout=timeout) as stream:
            for line in stream.iter_lines():
                if line and json.loads(line)["type"] == "DELETED":
                    return
    except httpx.HTTPError as problem:
        raise _unreachable(client, problem) from problem


def _client(server: str, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=server, headers=headers, timeout=_ANSWER_SECONDS, trust_env=False)


def _asked(client: httpx.Client, method: str, **content: Any) -> dict[str, Any]:
    try:
        answer = client.request(method, _PODS, params={"fieldSelector": _UNFINISHED}, **content)
        answer.raise_for_status()
    except httpx.HTTPError as problem:
        raise _unreachable(client, problem) from problem
    found: dict[str, Any] = answer.json()
    return found


def _unreachable(client: httpx.Client, problem: httpx.HTTPError) -> InfrastructureFailed:
    return InfrastructureFailed(f"localpods at {client.base_url} did not do as asked: {problem}")


def _names(pods: list[dict[str, Any]]) -> list[str]:
    return [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in pods]
