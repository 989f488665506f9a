"""Who asks: a user of Airflow, or somebody whom a provider of OpenID Connect vouches for."""

from __future__ import annotations

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.core_api.security import resolve_user_from_token
from fastapi import HTTPException
from starlette.requests import Request

from daybook.on_airflow.identity import identity_of
from daybook.web.tokens.bearer import bearer_of
from daybook.web.tokens.oidc import OidcTokens
from daybook.web.world import NotLoggedIn
from daybook.workspaces import Identity


class Users:
    """Everybody whom somebody vouches for.

    Args:
        oidc: tokens of a provider that count beside Airflow's own; None for none.
    """

    def __init__(self, oidc: OidcTokens | None = None) -> None:
        self._oidc = oidc

    async def identity(self, request: Request) -> Identity:
        """Who asks.

        Raises:
            NotLoggedIn: nobody vouches for them.
            HTTPException: 503, nobody can tell now.
        """
        provider = self.provider_of(request)
        if provider is not None:
            return await provider.identity(bearer_of(request.headers) or "")
        try:
            user = await resolve_user_from_token(token_of(request))
        except HTTPException as error:
            raise NotLoggedIn(str(error.detail)) from error
        except RecursionError as error:  # a token that is nothing but brackets
            raise NotLoggedIn("the token is none") from error
        return identity_of(user)

    def provider_of(self, request: Request) -> OidcTokens | None:
        """Who has to vouch for a request: the provider that its token names; None is Airflow.

        A cookie is always Airflow's: browsers send it by themselves.
        """
        token = bearer_of(request.headers)
        return self._oidc if self._oidc and token and self._oidc.are_of(token) else None


def token_of(request: Request) -> str | None:
    """The token of a request: the one in its header, which is given on purpose, else the browser's cookie."""
    return bearer_of(request.headers) or request.cookies.get(COOKIE_NAME_JWT_TOKEN)
