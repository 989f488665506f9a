"""Whose a workspace is: the people a file names, and a person as Airflow vouches for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from daybook.workspaces.model import Model

EVERYBODY = "*"
"""As a user: everybody whom Airflow lets in, or an OpenID provider vouches for where one is set."""


@dataclass(frozen=True)
class Identity:
    """A person, as Airflow or an OpenID provider vouches for them; nothing in it comes from a conf.

    Attributes:
        user: the name that Airflow notes them by; None when nobody asked for the run.
        groups: groups, teams and roles.
        claims: further claims of their token, each with all its values.
    """

    user: str | None
    groups: frozenset[str] = frozenset()
    claims: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Members(Model):
    """Who belongs to a workspace: whoever fits one of the lines. A list alone names users."""

    users: tuple[str, ...] = Field(default=(), description="user names; * is everybody who is let in")
    groups: tuple[str, ...] = Field(
        default=(), description="groups, teams or roles as Airflow's auth manager tells them"
    )
    claims: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="a claim of the user's token, and the values of which it must have one"
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Lets the published schema take the short form too."""
        return {"anyOf": [handler(core), {"type": "array", "items": {"type": "string"}}]}

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        return {"users": given} if isinstance(given, list | tuple) else given

    def include(self, identity: Identity) -> bool:
        """Whether somebody is a member; nobody in particular is one only where everybody is."""
        if EVERYBODY in self.users:
            return True
        if not identity.user:
            return False
        return (
            identity.user in self.users
            or not identity.groups.isdisjoint(self.groups)
            or any(
                not identity.claims.get(name, frozenset()).isdisjoint(values) for name, values in self.claims.items()
            )
        )
