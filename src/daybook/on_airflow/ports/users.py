"""Who asks: a user of Airflow, or somebody whom a provider of OpenID Connect vouches for."""

from __future__ import annotations

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.core_api.security import USER_INJECTED_BY_TRUSTED_MIDDLEWARE, resolve_user_from_token
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
            user = await airflow_user(request)
        except HTTPException as error:
            # An expired one (401) was Airflow's own, which may name an issuer, too.
            hint = self._hint(request) if error.status_code == 403 else ""
            raise NotLoggedIn(f"{error.detail}{hint}") from error
        except RecursionError as error:  # a token that is nothing but brackets
            raise NotLoggedIn("the token is none") from error
        return identity_of(user)

    def provider_of(self, request: Request) -> OidcTokens | None:
        """Who has to vouch for a request: the provider that its token names; None is Airflow.

        A cookie is always Airflow's: browsers send it by themselves.
        """
        token = bearer_of(request.headers)
        return self._oidc if self._oidc and token and self._oidc.are_of(token) else None

    def _hint(self, request: Request) -> str:
        """What helps whoever sends the token of a provider whose address is not spelled as the settings have it."""
        token = bearer_of(request.headers)
        if self._oidc is None or token is None or not self._oidc.are_of_another(token):
            return ""
        return f"; it is of another issuer than {self._oidc.settings.issuer}, whose tokens count here"


async def airflow_user(request: Request) -> BaseUser:
    """The user of Airflow who asks, as its own routes tell it.

    Raises:
        HTTPException: 401 or 403, nobody is vouched for.
    """
    return _let_in(request) or await resolve_user_from_token(token_of(request))


def token_for_airflow(request: Request) -> str | None:
    """The token by which Airflow's own API knows who asks."""
    user = _let_in(request)
    return token_of(request) if user is None else get_auth_manager().generate_jwt(user)


def _let_in(request: Request) -> BaseUser | None:
    """Whom Airflow's middleware has let in by the browser's cookie; None where a header's token counts.

    It may know more of them than the cookie says: there an auth manager renews what has run out, as Keycloak's does
    every few minutes, and the browser has that only with this request's answer.
    """
    vouched = getattr(request.state, "user_authenticated_via", None) is USER_INJECTED_BY_TRUSTED_MIDDLEWARE
    user: BaseUser | None = getattr(request.state, "user", None) if vouched else None
    return None if bearer_of(request.headers) else user


def token_of(request: Request) -> str | None:
    """The token of a request: the one in its header, which is given on purpose, else the browser's cookie."""
    return bearer_of(request.headers) or request.cookies.get(COOKIE_NAME_JWT_TOKEN)
