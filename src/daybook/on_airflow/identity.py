"""Who somebody is, out of what Airflow's auth managers know of them.

Each auth manager has a class of its own for users, most in packages that need not be installed: what they have in
common is told by its shape.

| auth manager | user has |
| --- | --- |
| simple | `role` (one name) and `teams` |
| FAB | `roles` and, of newer versions, `groups`: objects with a `name` |
| Keycloak | `access_token`: a JWT of Keycloak's, which Airflow keeps within a token that it signs itself |
| AWS | `groups`: names |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import jwt

from daybook.workspaces import Identity
from daybook.workspaces.claims import flat_claims

GROUPS_CLAIM = "groups"
"""The claim of a token that names groups, as Keycloak, Okta and Entra call it."""


class User(Protocol):
    """A user as auth managers have it."""

    def get_name(self) -> str:
        """The name that Airflow notes as `triggering_user_name`."""


def identity_of(user: User) -> Identity:
    """The identity of a user whom an auth manager has let in."""
    claims = flat_claims(_token_of(user))
    groups = {*_names(getattr(user, "groups", ())), *_names(getattr(user, "roles", ()))}
    groups |= {*_names(getattr(user, "teams", ())), *_names(getattr(user, "role", ()))}
    return Identity(user.get_name(), frozenset(groups | claims.get(GROUPS_CLAIM, frozenset())), claims)


def _token_of(user: object) -> Mapping[str, Any]:
    token = getattr(user, "access_token", None)
    if not isinstance(token, str) or not token:
        return {}
    try:
        # Not verified here: Airflow verified it at login, and has since then kept it in its own signed token.
        found = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}  # an opaque token tells nothing, and a user without claims is only less of a member
    return found if isinstance(found, Mapping) else {}


def _names(given: object) -> Iterator[str]:
    """The names in one name, or in a collection of names or of things that have one."""
    if isinstance(given, str):
        given = (given,)
    if isinstance(given, Iterable):
        yield from (str(getattr(each, "name", each)) for each in given if isinstance(getattr(each, "name", each), str))
