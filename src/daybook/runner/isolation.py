"""Waits until the network has closed around the pod, where its workspace says so, before anything of its notebook runs.

Kubernetes wants a new pod isolated before it starts. Some networks (kube-router, which k3s has; AWS's) are late: for
seconds, on a busy node for more, a pod reaches what policies deny it, and a connection that was made then stays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from daybook.contract.errors import NotIsolated
from daybook.contract.variables import NETWORK_POLICIES_VARIABLE

HOST_VARIABLE, PORT_VARIABLE = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
"""By which Kubernetes tells every container where its API is: what no run's pod may reach, and always answers."""

CONNECT_SECONDS = 1.0
"""What does not answer within this time is closed: the API is within the cluster."""
PAUSE_SECONDS = 0.25


@contextmanager
def isolating(environment: Mapping[str, str], patience: float) -> Iterator[Callable[[], None]]:
    """Looks at the network while other things are done.

    Args:
        environment: the pod's variables.
        patience: seconds for which a network may be open.

    Yields:
        What returns once the network is closed, and at once where nobody wants it to be.

    Raises:
        NotIsolated: by what was yielded: the network stays open, or there is no telling.
    """
    if not environment.get(NETWORK_POLICIES_VARIABLE):
        yield lambda: None
        return
    from concurrent.futures import ThreadPoolExecutor  # most runs need not wait for these to be loaded

    over = threading.Event()
    with ThreadPoolExecutor(1, "isolation") as threads:
        looking = threads.submit(_wait, environment, patience, over)
        try:
            yield looking.result
        finally:
            over.set()


def _wait(environment: Mapping[str, str], patience: float, over: threading.Event) -> None:
    host, port = environment.get(HOST_VARIABLE, ""), environment.get(PORT_VARIABLE, "")
    if not host or not port.isascii() or not port.isdigit():
        raise NotIsolated(
            "the workspace wants network policies to hold, and there is no telling: "
            f"{HOST_VARIABLE} and {PORT_VARIABLE}, which Kubernetes sets, are not there"
        )
    deadline = time.monotonic() + patience
    while _answers(host, int(port)):
        if over.is_set() or time.monotonic() > deadline:
            raise NotIsolated(
                f"the pod reaches Kubernetes' API at {host}:{port}, which its namespace's network policies must deny; "
                "nothing of the notebook was executed. Does the cluster's network enforce policies?"
            )
        over.wait(PAUSE_SECONDS)


def _answers(host: str, port: int) -> bool:
    import socket

    try:
        with socket.create_connection((host, port), CONNECT_SECONDS):
            return True
    except OSError:
        return False
