"""A door before localpods that lets through what a service account's Roles allow, as Kubernetes' authorizer does."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml

from deploy.rendered import AIRFLOW, Rendered

_NOT_PASSED_ON = {"connection", "transfer-encoding", "host", "content-length", "keep-alive"}


@dataclass(frozen=True, order=True)
class Right:
    """A verb on a resource, such as `get` on `pods/log`."""

    verb: str
    resource: str


def rights_of(rendered: Rendered, namespace: str, *accounts: str, home: str = AIRFLOW) -> frozenset[Right]:
    """What accounts of a namespace, Airflow's as a rule, may do in another one."""
    found = set()
    for binding in rendered.of("RoleBinding", namespace):
        if any((each["namespace"], each["name"]) in {(home, one) for one in accounts} for each in binding["subjects"]):
            role = rendered.one("Role", binding["roleRef"]["name"], namespace)
            found |= {
                Right(verb, resource)
                for rule in role["rules"]
                for verb in rule["verbs"]
                for resource in rule["resources"]
            }
    return frozenset(found)


def asked_for(method: str, target: str) -> tuple[str, Right] | None:
    """The namespace and the right that a request needs; None for what every account may ask (discovery).

    Raises:
        ValueError: a path outside of a namespace, which no Role can allow.
    """
    split = urlsplit(target)
    if split.path in ("/version", "/api", "/apis", "/api/v1"):
        return None
    match split.path.strip("/").split("/"):
        case ["api", "v1", "namespaces", namespace, resource, *rest]:
            resource = "/".join([resource, *rest[1:]])
            return namespace, Right(_verb(method, bool(rest), "watch" in parse_qs(split.query)), resource)
    raise ValueError(f"{method} {target} is cluster-wide")


def _verb(method: str, named: bool, watch: bool) -> str:
    if method == "GET":
        return "get" if named else "watch" if watch else "list"
    if method == "DELETE":
        return "delete" if named else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}[method]


@dataclass
class Door:
    """What stands before localpods.

    Attributes:
        port: of localpods, behind it.
        namespace: the only one in which there are rights.
        rights: what is let through.
        used: what was let through so far.
        refused: what was not.
    """

    port: int
    namespace: str
    rights: frozenset[Right]
    used: set[Right] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    def lets_through(self, method: str, target: str) -> bool:
        """Whether a request may pass; notes it either way."""
        try:
            asked = asked_for(method, target)
        except ValueError as error:
            self.refused.append(str(error))
            return False
        if asked is None:
            return True
        namespace, right = asked
        if namespace == self.namespace and right in self.rights:
            self.used.add(right)
            return True
        self.refused.append(f"{right.verb} {right.resource} in {namespace}")
        return False

    def write_kubeconfig(self, path: Path, token: str) -> Path:
        """A kubeconfig that leads to the door."""
        assert self.server is not None
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "door",
            "clusters": [{"name": "door", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"}}],
            "users": [{"name": "door", "user": {"token": token}}],
            "contexts": [{"name": "door", "context": {"cluster": "door", "user": "door"}}],
        }
        path.write_text(yaml.safe_dump(content))
        return path


@contextmanager
def door(port: int, namespace: str, rights: frozenset[Right]) -> Iterator[Door]:
    """Opens a door before the localpods on that port."""
    opened = Door(port, namespace, rights)

    class Handler(_Handler):
        door = opened

    opened.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=opened.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield opened
    finally:
        opened.server.shutdown()
        opened.server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    door: Door

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.door.lets_through(self.command, self.path):
            self._answer(*self._asked(body))
        else:
            message = f"the account cannot {self.door.refused[-1]}"
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}
            self._answer(403, {"content-type": "application/json"}, json.dumps({**status, "message": message}).encode())

    def _asked(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        behind = http.client.HTTPConnection("127.0.0.1", self.door.port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
            behind.request(self.command, self.path, body or None, headers)
            answer = behind.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            behind.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _pass

    def log_message(self, *_: object) -> None:
        """Nothing: the door notes what it is asked."""
