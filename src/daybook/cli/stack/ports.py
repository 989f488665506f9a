"""Which ports the stack listens on, and who holds one that is taken."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import psutil

from daybook.contract.errors import Fault, InvalidSettings

LOOPBACK = "127.0.0.1"
_LARGEST_PORT = 65535


@dataclass(frozen=True)
class Ports:
    """The stack's ports on loopback."""

    api: int = 8080
    pods: int = 8089
    spark: int = 15002  # Spark Connect's own default
    spark_ui: int = 4040  # Spark's own default


OPTIONS = {"api": "--port", "pods": "--pods-port", "spark": "--spark-port", "spark_ui": "--spark-ui-port"}
"""Each port's option; `up` declares them, errors name them."""

VARIABLES = {
    "api": "DAYBOOK_PORT",
    "pods": "DAYBOOK_PODS_PORT",
    "spark": "DAYBOOK_SPARK_PORT",
    "spark_ui": "DAYBOOK_SPARK_UI_PORT",
}
"""Each port's environment variable."""


def choose_ports(given: Mapping[str, int | None], remembered: Mapping[str, Any]) -> Ports:
    """The ports to use: given ones first, then those of the last `up`, then the defaults.

    Raises:
        InvalidSettings: two are the same, or one is no port.
    """
    chosen = {}
    for field in fields(Ports):
        value = given.get(field.name)
        chosen[field.name] = value if value is not None else int(remembered.get(field.name, field.default))
    faults = [
        Fault(OPTIONS[name], f"{port} is no port: give one from 1 to {_LARGEST_PORT}")
        for name, port in chosen.items()
        if not 1 <= port <= _LARGEST_PORT
    ]
    for port in sorted({port for port in chosen.values() if list(chosen.values()).count(port) > 1}):
        same = [OPTIONS[name] for name, value in chosen.items() if value == port]
        faults.append(Fault(" and ".join(same), f"port {port} can be had only once"))
    if faults:
        raise InvalidSettings("cannot use these ports", faults)
    return Ports(**chosen)


def require_free(ports: Mapping[str, int]) -> None:
    """Lets pass when every port can be listened on.

    Args:
        ports: by the names of `Ports`.

    Raises:
        InvalidSettings: some are taken; each fault names who holds it and the option that chooses another.
    """
    faults = []
    for name, port in ports.items():
        reason = _why_not_free(port)
        if reason is not None:
            faults.append(Fault(f"port {port}", f"{reason}; end it, or choose another port with {OPTIONS[name]}"))
    if faults:
        raise InvalidSettings("cannot start the stack", faults)


def _why_not_free(port: int) -> str | None:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError:
            return "this user may not listen on it"
        except OSError:
            return f"taken by {holder_of(port)}"
    return None


def holder_of(port: int) -> str:
    """Who listens on a port, as a person can find it: pid and command line where the system tells."""
    try:
        listening = [each for each in psutil.net_connections(kind="tcp") if each.status == psutil.CONN_LISTEN]
    except psutil.AccessDenied:  # macOS shows this to root alone
        return "a process that the system does not name to you"
    holders = [each for each in listening if each.laddr and each.laddr.port == port]
    if not holders:
        return "connections that are just ending (they are gone in a minute)"
    for holder in holders:
        if holder.pid:
            return f"process {holder.pid} ({_shortened(_command(holder.pid))})"
    return "a process of another user"


def _command(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return "its command line is not ours to see"


def _shortened(text: str, length: int = 120) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
