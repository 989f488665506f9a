"""Ending the running pods before the stack goes down, so that each run's record is sealed by its own runner."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from daybook.cli.stack.project import Project
from daybook.contract.errors import InfrastructureFailed

_FINISHED = frozenset({"Succeeded", "Failed"})
_DEFAULT_GRACE_SECONDS = 30
_AFTER_GRACE_SECONDS = 10.0
"""What localpods needs beyond a pod's grace to kill it, note its end and forget it."""
_ASK_SECONDS = 10.0
_POLL_SECONDS = 0.1


class PodsApi:
    """The little of the Pod API that `down` and `status` need."""

    def __init__(self, client: httpx.Client, url: str, token: str) -> None:
        self._client = client
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    def unfinished(self) -> list[dict[str, Any]]:
        """The pods that have not come to their end.

        Raises:
            InfrastructureFailed: localpods does not answer as it must.
        """
        items = self._call("GET", "/api/v1/pods").json().get("items", [])
        return [pod for pod in items if pod.get("status", {}).get("phase") not in _FINISHED]

    def delete(self, pod: dict[str, Any]) -> None:
        """Asks for a pod's end, with the grace that the pod itself names; one that is gone is fine."""
        meta = pod["metadata"]
        self._call("DELETE", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", httpx.codes.NOT_FOUND)

    def _call(self, method: str, path: str, *accepted: int) -> httpx.Response:
        try:
            response = self._client.request(method, self._url + path, headers=self._headers, timeout=_ASK_SECONDS)
        except httpx.HTTPError as error:
            raise InfrastructureFailed(f"localpods at {self._url} does not answer: {error}") from error
        if response.is_error and response.status_code not in accepted:
            raise InfrastructureFailed(f"localpods answers {response.status_code} to {method} {path}")
        return response


def end_pods(pods: PodsApi, say: Callable[[str], None]) -> int:
    """Ends every unfinished pod (SIGTERM, its grace, SIGKILL) and waits until they are gone.

    Returns:
        How many there were.

    Raises:
        InfrastructureFailed: localpods does not answer, or some are still there after their grace.
    """
    found = pods.unfinished()
    if not found:
        return 0
    say(f"interrupting {len(found)} running pod{'s' if len(found) > 1 else ''}: their runs are sealed as interrupted")
    for pod in found:
        pods.delete(pod)
    until = time.monotonic() + max(map(_grace, found)) + _AFTER_GRACE_SECONDS
    while left := pods.unfinished():
        if time.monotonic() > until:
            names = ", ".join(pod["metadata"]["name"] for pod in left)
            raise InfrastructureFailed(f"these pods do not end: {names}")
        time.sleep(_POLL_SECONDS)
    return len(found)


def _grace(pod: dict[str, Any]) -> float:
    return float(pod.get("spec", {}).get("terminationGracePeriodSeconds") or _DEFAULT_GRACE_SECONDS)


def pod_processes(project: Project) -> list[psutil.Process]:
    """Processes of pods: they carry nothing of the stack's, but their HOME or command line names its folder."""
    folder = str(project.state / "localpods" / "pods") + "/"
    return [process for process in psutil.process_iter() if _below(process, folder)]


def _below(process: psutil.Process, folder: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        named = [process.environ().get("HOME", ""), *process.cmdline()]
    except (psutil.Error, OSError):
        return False
    return any(each.startswith(folder) for each in named)


def token_of(path: Path) -> str:
    """The bearer token of localpods."""
    return path.read_text().strip()
