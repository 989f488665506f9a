"""HTTP: a router, requests and answers, on the standard library's threaded server."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit


class ApiError(Exception):
    """An answer that says what was wrong, as Databricks does."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


@dataclass
class Response:
    """An answer that is not a JSON document with status 200."""

    body: bytes = b""
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """What was asked.

    Attributes:
        path: decoded, without the query.
        names: the groups of the route's pattern.
        user: whose token it bears; empty on public routes.
        stream: the body, to be read once; `body` and `json` read all of it.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    stream: BinaryIO
    names: dict[str, str] = field(default_factory=dict)
    user: str = ""

    @cached_property
    def body(self) -> bytes:
        return self.stream.read()

    @cached_property
    def json(self) -> dict[str, Any]:
        try:
            document = json.loads(self.body or b"{}")
        except ValueError as error:
            raise ApiError(400, "MALFORMED_REQUEST", f"Invalid JSON: {error}") from error
        if not isinstance(document, dict):
            raise ApiError(400, "MALFORMED_REQUEST", "The body must be a JSON object")
        return document


Handler = Callable[[Request], "dict[str, Any] | list[Any] | Response | None"]


@dataclass(frozen=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    handler: Handler
    public: bool


class Router:
    """Routes in the order in which modules added them."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def add(self, method: str, path: str, handler: Handler, *, public: bool = False) -> None:
        """`path` is literal but for `{name}`, which takes one part, and `{name:path}`, which takes the rest."""
        pattern = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
        pattern = re.sub(r"\{(\w+):path\}", r"(?P<\1>.*)", pattern)
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        self.routes.append(Route(method, re.compile(pattern), handler, public))

    def find(self, request: Request) -> Route:
        for route in self.routes:
            match = route.pattern.fullmatch(request.path)
            if match and route.method == request.method:
                request.names = match.groupdict()
                return route
        raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{request.method} {request.path}'")


class Body:
    """A request's body as a file: of a known length, or in chunks."""

    def __init__(self, file: BinaryIO, length: int | None) -> None:
        self._file, self._left, self._chunked, self.count = file, length or 0, length is None, 0

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        wanted = size
        while wanted != 0:
            if self._left == 0 and not self._next_chunk():
                break
            part = self._file.read(self._left if wanted < 0 else min(self._left, wanted))
            if not part:
                break
            self._left -= len(part)
            self.count += len(part)
            parts.append(part)
            wanted = wanted - len(part) if wanted > 0 else wanted
            if self._chunked and self._left == 0:
                self._file.readline()
        return b"".join(parts)

    def _next_chunk(self) -> bool:
        if not self._chunked:
            return False
        self._left = int(self._file.readline().split(b";")[0] or b"0", 16)
        if self._left == 0:
            self._chunked = False
            self._file.readline()
        return self._left > 0


class Server:
    """Serves `answer` on loopback until `close`."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        outer = self

        class _Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, TimeoutError):
                    self.close_connection = True

            def _serve(self) -> None:
                outer._serve(self, answer)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @staticmethod
    def _serve(handler: BaseHTTPRequestHandler, answer: Callable[[Request], Response]) -> None:
        url = urlsplit(handler.path)
        chunked = "chunked" in handler.headers.get("Transfer-Encoding", "")
        body = Body(handler.rfile, None if chunked else int(handler.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(handler.command, unquote(url.path), dict(parse_qsl(url.query, True)), headers, body)  # type: ignore[arg-type]
        response = answer(request)
        while body.read(1 << 20):
            pass  # else the rest would be taken for the next request on this connection
        if response.status == 0:
            handler.close_connection = True  # the line breaks without an answer
            return
        handler.send_response(response.status)
        for name, value in {"Content-Type": response.media_type, **response.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(response.body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(response.body)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
