"""Who asks: SCIM `Me`, and tokens for service principals (OAuth client credentials)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from databricks.standin.app import ApiError, Request, Router

if TYPE_CHECKING:
    from databricks.standin.world import StandIn


class Identity:
    """Service principals by their client id, each with its secret."""

    def __init__(self, world: StandIn) -> None:
        self._world = world
        self.principals: dict[str, str] = {}

    def me(self, request: Request) -> dict[str, Any]:
        return {"userName": request.user, "id": "1", "active": True, "displayName": request.user}

    def host(self, _: Request) -> dict[str, Any]:
        return {"oidc_endpoint": f"{self._world.host}/oidc", "workspace_id": "1234567890123456"}

    def oidc(self, _: Request) -> dict[str, Any]:
        host = self._world.host
        return {"authorization_endpoint": f"{host}/oidc/v1/authorize", "token_endpoint": f"{host}/oidc/v1/token"}

    def token(self, request: Request) -> dict[str, Any]:
        given = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        client, secret = given.get("client_id", ""), given.get("client_secret", "")
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            client, _, secret = base64.b64decode(basic).decode().partition(":")
        if not client or self.principals.get(client) != secret:
            raise ApiError(401, "invalid_client", "Client authentication failed")
        token = f"oauth-of-{client}-{len(self._world.tokens)}"
        self._world.tokens[token] = client
        return {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "all-apis"}


def add_to(router: Router, world: StandIn) -> Identity:
    identity = Identity(world)
    router.add("GET", "/api/2.0/preview/scim/v2/Me", identity.me)
    router.add("GET", "/.well-known/databricks-config", identity.host, public=True)
    router.add("GET", "/oidc/.well-known/oauth-authorization-server", identity.oidc, public=True)
    router.add("POST", "/oidc/v1/token", identity.token, public=True)
    return identity
