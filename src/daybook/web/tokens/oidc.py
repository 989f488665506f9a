"""Bearer tokens of a provider of OpenID Connect: who somebody is, by its signature alone."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from typing import Any

import jwt
from fastapi import HTTPException

from daybook.web.settings import OidcSettings
from daybook.web.tokens.provider_keys import RETRY_SECONDS, NoKeys, ProviderKeys, UnknownKey
from daybook.web.world import NotLoggedIn
from daybook.workspaces import Identity
from daybook.workspaces.claims import flat_claims

_LOG = logging.getLogger(__name__)

MAX_TOKEN_BYTES = 16 * 1024
"""Larger ones are not even looked at; servers take headers of 64 kB, and real tokens have some kilobytes."""
MAX_NAME_CHARACTERS = 250
"""A user's name goes into Airflow's records, whose columns end at 500."""

_REFUSALS: tuple[tuple[type[jwt.InvalidTokenError], str], ...] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token does not count yet"),
    (jwt.InvalidAudienceError, "the token is meant for somebody else: its claim 'aud' does not hold {audience!r}"),
    (jwt.InvalidIssuerError, "the token is another issuer's"),
    (jwt.MissingRequiredClaimError, "the token lacks the claim {missing!r}, which it must have"),
)
"""What is told to whoever holds a token that the provider has signed: they, or their operator, can mend it."""


class OidcTokens:
    """What bearer tokens of one provider say.

    Args:
        settings: whose, and what they must say.
        keys: its keys.
    """

    def __init__(self, settings: OidcSettings, keys: ProviderKeys) -> None:
        self.settings = settings
        self._keys = keys
        self._has_told_overage = False

    def are_of(self, token: str) -> bool:
        """Whether a token says that it is this provider's; anybody can write that."""
        return _says(token).get("iss") == self.settings.issuer

    def are_of_another(self, token: str) -> bool:
        """Whether a token says that it is another issuer's."""
        issuer: object = _says(token).get("iss")
        return issuer is not None and issuer != self.settings.issuer

    async def identity(self, token: str) -> Identity:
        """Whom a token is of.

        Raises:
            NotLoggedIn: it proves nothing; the text says why, to whoever sent it.
            HTTPException: 503, the provider's keys are not known now.
        """
        name, algorithm = self._header(token)
        try:
            key = await self._keys.get(name, algorithm)
        except UnknownKey as error:
            raise NotLoggedIn("the token is signed with a key that its issuer does not have") from error
        except NoKeys as error:
            raise HTTPException(503, str(error), {"Retry-After": f"{RETRY_SECONDS:.0f}"}) from error
        return self._identity(self._content(token, key, algorithm))

    def _header(self, token: str) -> tuple[str, str]:
        """The name of the token's key, and how it is signed; whatever else a header suggests (`jku`, `x5u`, `jwk`)."""
        if len(token) > MAX_TOKEN_BYTES:
            raise NotLoggedIn("the token is too long")
        if not all(_is_spelled_well(part) for part in token.split(".")):
            raise NotLoggedIn("the token is none")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.InvalidTokenError, RecursionError) as error:
            raise NotLoggedIn("the token is none") from error
        name, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in self.settings.algorithms:
            raise NotLoggedIn(f"the token must be signed by {' or '.join(self.settings.algorithms)}")
        if "crit" in header:  # it asks for what is not done here (RFC 7515, 4.1.11)
            raise NotLoggedIn("the token's header has critical parts that are not known here")
        if not isinstance(name, str) or not name:
            raise NotLoggedIn("the token does not name its key")
        return name, algorithm

    def _content(self, token: str, key: jwt.PyJWK, algorithm: str) -> Mapping[str, Any]:
        settings = self.settings
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=settings.skew_seconds,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            why = next((text for kind, text in _REFUSALS if isinstance(error, kind)), "the token is not genuine")
            missing = getattr(error, "claim", None)
            raise NotLoggedIn(why.format(audience=settings.audience, missing=missing)) from error
        except RecursionError as error:
            raise NotLoggedIn("the token is none") from error

    def _identity(self, content: Mapping[str, Any]) -> Identity:
        name, prefix = content.get(self.settings.user_claim), self.settings.prefix
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
            raise NotLoggedIn(f"the token's claim {self.settings.user_claim!r} names no user")
        claims = flat_claims(content)
        self._look_for_overage(claims)
        groups = claims.get(self.settings.groups_claim, frozenset())
        return Identity(f"{prefix}{name}", frozenset(f"{prefix}{each}" for each in groups), claims)

    def _look_for_overage(self, claims: Mapping[str, Any]) -> None:
        """Says once that tokens leave out the groups of somebody who is in many, as Entra ID's do beyond 200.

        They name a place instead (OpenID Connect Core, 5.6.2), which wants a token of another audience.
        """
        claim = self.settings.groups_claim
        if claim not in claims and f"_claim_names.{claim}" in claims and not self._has_told_overage:
            self._has_told_overage = True
            _LOG.warning(
                "a token of %s leaves out its claim %r, for there are too many: such people are members by no group; "
                "have the provider put fewer groups into tokens, or name members by another claim, such as roles",
                self.settings.issuer,
                claim,
            )


def _is_spelled_well(part: str) -> bool:
    """Whether a part of a token is base64url without padding (RFC 7515, 2), the one way that it can be spelled.

    Decoders overlook much. A token that was refused, or noted, is not to come back in another spelling.
    """
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return False
    return base64.urlsafe_b64encode(raw).rstrip(b"=") == part.encode()


def _says(token: str) -> Mapping[str, Any]:
    """A token's content, not verified; nothing where it is none."""
    if len(token) > MAX_TOKEN_BYTES:
        return {}
    try:
        return jwt.decode(token, options={"verify_signature": False, "verify_exp": False, "verify_aud": False})
    except (jwt.InvalidTokenError, RecursionError):
        return {}
