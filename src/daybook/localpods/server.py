"""The server: routes, who may ask, how errors look, and its own beginning and end."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from daybook.contract.errors import Fault, InvalidSettings
from daybook.localpods.api import discovery
from daybook.localpods.api.errors import ApiError, internal, no_such_path, not_allowed, unauthorized
from daybook.localpods.door import door
from daybook.localpods.events import Events
from daybook.localpods.files import write_atomically
from daybook.localpods.images import load_images
from daybook.localpods.kubeconfig import authority_file
from daybook.localpods.limits import KEEP_ALIVE_SECONDS, KEEP_FINISHED_PODS, SHUTDOWN_SECONDS
from daybook.localpods.mounts import Mounts
from daybook.localpods.pods_api import PodsApi
from daybook.localpods.secrets import SecretFiles, Secrets, secret_objects
from daybook.localpods.secrets_api import SecretsApi
from daybook.localpods.services_api import ServicesApi
from daybook.localpods.state import StateFolder
from daybook.localpods.store import Collection
from daybook.localpods.supervisor import Supervisor
from daybook.localpods.tls import server_context
from daybook.localpods.tokens import TokenIssuer
from daybook.localpods.versions import Versions
from daybook.localpods.worker import Node

HOST: Final = "127.0.0.1"
_OPEN_PATHS: Final = ("/livez", "/readyz", "/healthz")
"""What may be asked without a token, as in Kubernetes: whether the server is there."""


@dataclass(frozen=True)
class Settings:
    """How a localpods is run.

    Attributes:
        state: its folder; made when missing.
        port: on 127.0.0.1; 0 takes a free one, which `server.json` in the state folder then names.
        images: the images file.
        token: what every request must bear.
        secrets: the folder of secrets; None when there are none.
        keep_finished_pods: how many finished pods stay.
    """

    state: Path
    port: int
    images: Path
    token: str = field(repr=False)
    secrets: Path | None = None
    keep_finished_pods: int = KEEP_FINISHED_PODS


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT. Running pods go on then; the next localpods on this state takes them up.

    Raises:
        InvalidSettings: the images file is broken, the port is taken or the state folder is in use.
    """
    load_images(settings.images)
    state = StateFolder(settings.state.resolve())
    try:
        listener = _listener(settings.port)
        closing = asyncio.Event()
        application = build_app(settings, state, closing)
        config = uvicorn.Config(
            application,
            http=door(server_context(state.root)),
            loop="asyncio",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        for one in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again when it is done: a clean exit is 0
            signal.signal(one, lambda *_: None)
        _announce(state.root, listener)
        _Server(config, closing).run(sockets=[listener])
    finally:
        state.close()


class _Server(uvicorn.Server):
    """Ends open watches and followed logs when it is told to end."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._closing.set()


def build_app(settings: Settings, state: StateFolder, closing: asyncio.Event) -> ASGIApp:
    """The application. Pods of an earlier server are taken up when it starts."""
    versions = Versions(state.root / "versions")
    pods = Collection(versions, state.save_pod, state.forget_pod)
    events = Events(Collection(versions, None, None), state)
    objects = secret_objects(versions, SecretFiles(state.root / "secrets"))
    secrets = Secrets(settings.secrets, objects)
    mounts = Mounts(state, secrets, TokenIssuer())
    node = Node(pods, events, state, settings.images, secrets, mounts)
    services = Collection(versions, None, None)
    supervisor = Supervisor(node, (objects, services), settings.keep_finished_pods)
    secrets_api = SecretsApi(objects, supervisor.secret_changed)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        supervisor.load()
        yield
        await supervisor.close()

    return Starlette(
        routes=[
            *_routes(PodsApi(supervisor, closing)),
            *_secret_routes(secrets_api),
            *_service_routes(ServicesApi(services)),
        ],
        lifespan=lifespan,
        middleware=[Middleware(_BearerToken, token=settings.token)],
        exception_handlers={ApiError: _api_error, HTTPException: _http_error, Exception: _bug},
    )


def _routes(api: PodsApi) -> list[Route]:
    pods, one = "/api/v1/namespaces/{namespace}/pods", "/api/v1/namespaces/{namespace}/pods/{name}"
    events = "/api/v1/namespaces/{namespace}/events"
    documents: Mapping[str, Callable[[], Any]] = {
        "/version": discovery.version,
        "/api": discovery.api_versions,
        "/apis": discovery.api_groups,
        "/api/v1": discovery.resources,
        "/openapi/v3": discovery.openapi_index,
        "/openapi/v3/api/v1": discovery.openapi,
    }
    return [
        *(Route(path, _document(make), methods=["GET"]) for path, make in documents.items()),
        *(Route(path, _alive, methods=["GET"]) for path in _OPEN_PATHS),
        Route("/api/v1/pods", api.list_pods, methods=["GET"]),
        Route("/api/v1/pods", api.delete_collection, methods=["DELETE"]),
        Route(pods, api.list_pods, methods=["GET"]),
        Route(pods, api.create, methods=["POST"]),
        Route(pods, api.delete_collection, methods=["DELETE"]),
        Route(one, api.get, methods=["GET"]),
        Route(one, api.patch, methods=["PATCH"]),
        Route(one, api.delete, methods=["DELETE"]),
        Route(f"{one}/status", api.get, methods=["GET"]),
        Route(f"{one}/log", api.log, methods=["GET"]),
        Route("/api/v1/events", api.list_events, methods=["GET"]),
        Route(events, api.list_events, methods=["GET"]),
        Route(f"{events}/{{name}}", api.get_event, methods=["GET"]),
        Route("/api/v1/namespaces", api.list_namespaces, methods=["GET"]),
        Route("/api/v1/namespaces/{namespace}", api.get_namespace, methods=["GET"]),
    ]


def _secret_routes(api: SecretsApi) -> list[Route]:
    some, one = "/api/v1/namespaces/{namespace}/secrets", "/api/v1/namespaces/{namespace}/secrets/{name}"
    return [
        Route("/api/v1/secrets", api.list_all, methods=["GET"]),
        Route(some, api.list_all, methods=["GET"]),
        Route(some, api.create, methods=["POST"]),
        Route(one, api.get, methods=["GET"]),
        Route(one, api.patch, methods=["PATCH"]),
        Route(one, api.delete, methods=["DELETE"]),
    ]


def _service_routes(api: ServicesApi) -> list[Route]:
    some, one = "/api/v1/namespaces/{namespace}/services", "/api/v1/namespaces/{namespace}/services/{name}"
    return [
        Route("/api/v1/services", api.list_all, methods=["GET"]),
        Route(some, api.list_all, methods=["GET"]),
        Route(some, api.create, methods=["POST"]),
        Route(one, api.get, methods=["GET"]),
        Route(one, api.delete, methods=["DELETE"]),
    ]


def _document(make: Callable[[], Any]) -> Callable[[Request], Any]:
    async def answer(_: Request) -> Response:
        return JSONResponse(make())

    return answer


async def _alive(_: Request) -> Response:
    return PlainTextResponse("ok")


class _BearerToken:
    """Lets through who bears the token; compares in constant time."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._wanted = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _OPEN_PATHS or self._is_allowed(scope):
            await self._app(scope, receive, send)
            return
        refusal = JSONResponse(unauthorized().status(), 401, headers={"WWW-Authenticate": "Bearer"})
        await refusal(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        kind, _, token = given.partition(b" ")
        return kind.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._wanted)


async def _api_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise TypeError("registered for another error") from error
    return JSONResponse(error.status(), error.code)


async def _http_error(request: Request, error: Exception) -> Response:
    unknown_verb = getattr(error, "status_code", 404) == 405
    answer = not_allowed(f"localpods does not support {request.method} here") if unknown_verb else no_such_path()
    return JSONResponse(answer.status(), answer.code)


async def _bug(_: Request, __: Exception) -> Response:
    return JSONResponse(internal().status(), 500)  # Starlette raises it on, so uvicorn logs the traceback


def _listener(port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only where the protocol is named; with it each answer takes 44 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as problem:
        listener.close()
        fault = Fault(f"port {port}", f"cannot be used on {HOST}: {problem.strerror}; name another with --port")
        raise InvalidSettings("localpods cannot listen", [fault]) from problem
    return listener


def _announce(folder: Path, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    found = {
        "pid": os.getpid(),
        "port": port,
        "server": f"https://{HOST}:{port}",
        "authority": str(authority_file(folder)),
    }
    write_atomically(folder / "server.json", json.dumps(found).encode())
    logging.getLogger(__name__).info("localpods serves %s from %s", found["server"], folder)
