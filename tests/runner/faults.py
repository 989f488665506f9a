"""A proxy on loopback before a real S3 API, which goes wrong as it is told to.

    with s3_server("runs") as s3, FaultProxy(s3["AWS_ENDPOINT_URL"]) as proxy:
        environment = {**s3, "AWS_ENDPOINT_URL": proxy.url}
        planned = proxy.plan(answering(503, "SlowDown"), times=3, method="PUT", key=r"manifest\\.json")
        ...
        assert planned.met == 3

It checks the digests that a request carries as S3 does, which moto's server leaves undone.
"""

import base64
import hashlib
import http.client
import os
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length", "expect"})


@dataclass(frozen=True)
class Answer:
    """An answer to be sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass
class Exchange:
    """One request, and how it was answered: `status` is None where it was not.

    Attributes:
        method: of HTTP.
        bucket: the first part of the path.
        key: the rest of it, unescaped.
        query: as it was sent.
        headers: of the request, by lower-case name.
        body: of the request.
        at: when it came, in seconds of the monotonic clock.
        status: of the S3 API, or of the fault in its place.
        taken: whether the S3 API took it, whatever the client came to hear of that.
    """

    method: str
    bucket: str
    key: str
    query: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)
    status: int | None = None
    taken: bool = False


Fault = Callable[["_Handler", Exchange], None]


@dataclass
class Planned:
    """A fault that is to happen, and how many requests it has met so far."""

    fault: Fault
    matches: Callable[[Exchange], bool]
    times: int | None
    seconds: float | None
    met: int = 0
    seen: int = 0
    after: int = 0
    first_at: float | None = None
    over: bool = False

    def takes(self, exchange: Exchange) -> bool:
        """Whether it meets this request; its seconds begin with the first one."""
        if self.over or not self.matches(exchange):
            return False
        self.seen += 1
        if self.seen <= self.after:
            return False
        now = time.monotonic()
        self.first_at = now if self.first_at is None else self.first_at
        self.over = (self.times is not None and self.met >= self.times) or (
            self.seconds is not None and now - self.first_at >= self.seconds
        )
        self.met += not self.over
        return not self.over


class FaultProxy:
    """The proxy; a context manager.

    Attributes:
        exchanges: every request so far, in the order in which they came.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.exchanges: list[Exchange] = []
        self._plan: list[Planned] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def plan(
        self,
        fault: Fault,
        *,
        times: int | None = None,
        seconds: float | None = None,
        method: str | None = None,
        key: str | None = None,
        body: bytes | None = None,
        after: int = 0,
    ) -> Planned:
        """Has a fault happen to the requests that match; of several faults the one planned first counts.

        Args:
            fault: what happens.
            times: to so many requests; None: to all.
            seconds: for so long from the first one on; None: for ever.
            method: only for this one; several are separated by `|`.
            key: a pattern to be found in the key.
            body: to be found in the request's body.
            after: so many matching requests are let through before.
        """

        def matches(exchange: Exchange) -> bool:
            return (
                (method is None or exchange.method in method.split("|"))
                and (key is None or re.search(key, exchange.key) is not None)
                and (body is None or body in exchange.body)
            )

        planned = Planned(fault, matches, times, seconds, after=after)
        with self._lock:
            self._plan.append(planned)
        return planned

    def mend(self) -> None:
        """Ends every fault."""
        with self._lock:
            self._plan.clear()

    @property
    def puts(self) -> list[tuple[str, int]]:
        """Key and size of every body that the S3 API took, whole objects and parts alike."""
        with self._lock:
            return [(each.key, len(each.body)) for each in self.exchanges if each.method == "PUT" and each.taken]

    @property
    def put_bytes(self) -> dict[str, int]:
        """How many bytes were put under each key, in all."""
        found: dict[str, int] = {}
        for key, size in self.puts:
            found[key] = found.get(key, 0) + size
        return found

    def met(self, exchange: Exchange) -> Fault | None:
        """Notes a request, and finds what is to happen to it."""
        with self._lock:
            self.exchanges.append(exchange)
            return next((each.fault for each in self._plan if each.takes(exchange)), None)

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def answering(status: int, code: str = "SlowDown", message: str = "as the test wants it") -> Fault:
    """Answers with an error of S3, without asking it."""

    def fault(handler: "_Handler", exchange: Exchange) -> None:
        handler.send(exchange, _error(status, code, message))

    return fault


expired = answering(403, "ExpiredToken", "The provided token has expired.")
"""The credentials have expired; as AWS says it, with 400, see `answering`."""


def resetting(handler: "_Handler", exchange: Exchange) -> None:
    """Resets the connection; S3 never hears of the request."""
    handler.reset()


def losing_the_answer(handler: "_Handler", exchange: Exchange) -> None:
    """S3 does what was asked, then the connection is reset."""
    handler.forward(exchange)
    handler.reset()


def belying_the_answer(handler: "_Handler", exchange: Exchange) -> None:
    """S3 does what was asked, but something between says 503, which has clients try again by themselves."""
    handler.forward(exchange)
    handler.send(exchange, _error(503, "SlowDown", "said after it was done"))


def cutting_short(handler: "_Handler", exchange: Exchange) -> None:
    """Ends the connection after half of the answer's body."""
    answer = handler.forward(exchange)
    handler.send(exchange, answer, body=answer.body[: len(answer.body) // 2])
    handler.close_connection = True


def corrupting(handler: "_Handler", exchange: Exchange) -> None:
    """Changes one bit of the body, if there is one, on its way to S3."""
    body = bytearray(exchange.body)
    if body:
        body[len(body) // 2] ^= 1
    exchange.body = bytes(body)
    handler.send(exchange, handler.forward(exchange))


def slow(seconds: float) -> Fault:
    """Answers that much later."""

    def fault(handler: "_Handler", exchange: Exchange) -> None:
        answer = handler.forward(exchange)
        handler.server.stopping.wait(seconds)
        handler.send(exchange, answer)

    return fault


def _error(status: int, code: str, message: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return Answer(status, (("Content-Type", "application/xml"),), body)


def _digest_fault(exchange: Exchange) -> Answer | None:
    """What S3 says to a body that has not the digest it came with."""
    digest = hashlib.sha256(exchange.body)
    signed = exchange.headers.get("x-amz-content-sha256", "")
    if re.fullmatch("[0-9a-f]{64}", signed) and signed != digest.hexdigest():
        return _error(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match.")
    given = exchange.headers.get("x-amz-checksum-sha256")
    if given is not None and base64.b64decode(given) != digest.digest():
        return _error(400, "BadDigest", "The SHA256 you specified did not match the calculated checksum.")
    return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    proxy: FaultProxy

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.stopping = threading.Event()

    def server_close(self) -> None:
        self.stopping.set()
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no fault of the proxy's; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def relay(self) -> None:
        """One request."""
        path, _, query = self.path.partition("?")
        bucket, _, key = path.lstrip("/").partition("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        exchange = Exchange(self.command, bucket, unquote(key), query, headers, body)
        fault = self.server.proxy.met(exchange)
        if fault is not None:
            fault(self, exchange)
        else:
            self.send(exchange, self.forward(exchange))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = relay

    def forward(self, exchange: Exchange) -> Answer:
        """Asks S3."""
        wrong = _digest_fault(exchange)
        if wrong is not None:
            return wrong
        upstream = self.server.proxy.upstream
        connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=60)
        try:
            passed = {name: value for name, value in exchange.headers.items() if name not in _HOP}
            connection.request(exchange.method, self.path, exchange.body, passed)
            response = connection.getresponse()
            answer = Answer(response.status, tuple(response.getheaders()), response.read())
        finally:
            connection.close()
        exchange.taken = answer.status < 300
        return answer

    def send(self, exchange: Exchange, answer: Answer, body: bytes | None = None) -> None:
        """Sends an answer; of another body than its own, still under its own length."""
        exchange.status = answer.status
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        length = {name.lower(): value for name, value in answer.headers}.get("content-length")
        self.send_header("Content-Length", length if exchange.method == "HEAD" and length else str(len(answer.body)))
        self.end_headers()
        if exchange.method != "HEAD":
            self.wfile.write(answer.body if body is None else body)

    def reset(self) -> None:
        """Ends the connection with a reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, *_: object) -> None:
        """Says nothing."""
