"""Lets a run's Spark server know that the run is there, before its notebook asks for a session.

A server of Daybook's ends when no client has been connected to it for a while, and a notebook may do other work first
for longer than that. So its runner stays connected; it says nothing, and so connects anew now and then.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from daybook.contract.variables import SPARK_REMOTE_VARIABLE

AGAIN_SECONDS = 60.0
"""How long one connection is held: a server gives a client that says nothing two minutes (gRPC's handshake timeout)."""
CONNECT_SECONDS = 5.0
_PLAIN = re.compile(r"sc://(?:\[([0-9a-fA-F:.]+)\]|([^/;:\[\]]+)):(\d{1,5})/?")
"""An address without parameters: those of Daybook's servers have none."""


class Presence:
    """Stays connected while it is entered; a server that does not answer is tried again, and missed by nobody.

    Args:
        host: the server's; None where there is nothing to stay connected to.
        port: the server's.
        seconds: how long one connection is held.
    """

    def __init__(self, host: str | None, port: int = 0, seconds: float = AGAIN_SECONDS) -> None:
        self._address = None if host is None else (host, port)
        self._seconds = seconds
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Presence:
        """At the server that a run was given."""
        found = _PLAIN.fullmatch(environment.get(SPARK_REMOTE_VARIABLE, ""))
        return cls(None) if found is None else cls(found[1] or found[2], int(found[3]))

    def __enter__(self) -> Self:
        if self._address is not None:
            self._thread = threading.Thread(target=self._stay, name="presence", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(CONNECT_SECONDS)

    def _stay(self) -> None:
        while not self._over.is_set():
            with suppress(OSError, OverflowError), socket.create_connection(self._address or ("", 0), CONNECT_SECONDS):
                self._over.wait(self._seconds)
                continue
            self._over.wait(self._seconds)
