"""One port for HTTP and HTTPS: a client's first byte tells which it speaks.

kubectl sends its token only over TLS; on loopback plain HTTP is enough for everything else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from daybook.localpods.limits import HANDSHAKE_SECONDS

_TLS_HANDSHAKE: Final = b"\x16"
_log = logging.getLogger(__name__)


def door(context: ssl.SSLContext) -> type[asyncio.Protocol]:
    """A protocol class for uvicorn that hands each connection to uvicorn's own, through TLS where the client does."""

    class Door(_Door):
        def __init__(self, **given: Any) -> None:
            super().__init__(context, lambda: AutoHTTPProtocol(**given))

    return Door


class _Door(asyncio.Protocol):
    def __init__(self, context: ssl.SSLContext, make_inner: Callable[[], asyncio.Protocol]) -> None:
        self._context = context
        self._make_inner = make_inner
        self._early = b""
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._opening = asyncio.get_running_loop().create_task(self._open(transport))

    def data_received(self, data: bytes) -> None:
        self._early += data  # a request that came along with the end of the handshake

    async def _open(self, transport: asyncio.Transport) -> None:
        # The first byte is looked at, not taken. Not paused before now: to Python 3.11.2, Debian 12's, that is nothing.
        transport.pause_reading()
        inner = self._make_inner()
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                reached = (
                    await self._through_tls(transport) if await _first_byte(transport) == _TLS_HANDSHAKE else transport
                )
        except (OSError, TimeoutError) as problem:  # ssl.SSLError is an OSError
            _log.debug("a connection was not opened: %s", problem)
            transport.abort()
            return
        reached.set_protocol(inner)
        inner.connection_made(reached)
        if reached is transport:
            transport.resume_reading()
        elif self._early:
            inner.data_received(self._early)

    async def _through_tls(self, transport: asyncio.Transport) -> asyncio.Transport:
        loop = asyncio.get_running_loop()
        reached = await loop.start_tls(transport, self, self._context, server_side=True)
        if reached is None:
            raise ConnectionAbortedError("the client left during the handshake")
        return reached


async def _first_byte(transport: asyncio.Transport) -> bytes:
    """The first byte the client sends, left where it is; empty when it sends none and closes."""
    loop = asyncio.get_running_loop()
    # A descriptor of our own: the loop does not let others listen on a transport's.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as peeking:
        readable = asyncio.Event()
        loop.add_reader(peeking.fileno(), readable.set)
        try:
            await readable.wait()
            return peeking.recv(1, socket.MSG_PEEK)
        finally:
            loop.remove_reader(peeking.fileno())
