"""Users of Airflow's auth managers as identities."""

from types import SimpleNamespace

import jwt
import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.providers.amazon.aws.auth_manager.user import AwsAuthManagerUser

from daybook.on_airflow.identity import identity_of
from daybook.workspaces import Identity


class Named:
    """A user of which only the name is as in the others; the real class's package is not installed here."""

    def __init__(self, name, **more):
        self.__dict__.update(name=name, **more)

    def get_name(self):
        return self.name


def keycloak(**claims):
    return Named("ada", user_id="1", access_token=jwt.encode(claims, "k" * 32), refresh_token="r")


def test_a_simple_user_has_a_role_and_teams():
    user = SimpleAuthManagerUser(username="ada", role="op", teams=["geo", "sea"])
    assert identity_of(user) == Identity("ada", frozenset({"op", "geo", "sea"}))
    assert identity_of(SimpleAuthManagerUser(username="ada", role=None)) == Identity("ada")


def test_an_aws_user_has_groups():
    user = AwsAuthManagerUser(user_id="7", groups=["geo"], username="ada")
    assert identity_of(user) == Identity("ada", frozenset({"geo"}))


def test_a_fab_user_has_roles_and_groups_with_names():
    user = Named("ada", roles=[SimpleNamespace(name="Op")], groups=[SimpleNamespace(name="geo")])
    assert identity_of(user) == Identity("ada", frozenset({"Op", "geo"}))


def test_a_keycloak_user_has_what_the_token_says():
    found = identity_of(
        keycloak(groups=["/geo"], dep="climate", active=True, level=3, realm_access={"roles": ["a", "b"]}, deep=[{}])
    )
    assert (found.user, found.groups) == ("ada", frozenset({"/geo"}))
    assert found.claims == {
        "groups": frozenset({"/geo"}),
        "dep": frozenset({"climate"}),
        "active": frozenset({"true"}),
        "level": frozenset({"3"}),
        "realm_access.roles": frozenset({"a", "b"}),
        "deep": frozenset(),
    }


@pytest.mark.parametrize("token", ["", "opaque", None, b"x", "a.b.c"])
def test_a_token_that_tells_nothing_makes_nobody_more(token):
    assert identity_of(Named("ada", access_token=token)) == Identity("ada")


def test_a_token_cannot_say_who_the_user_is():
    assert identity_of(keycloak(sub="bob", preferred_username="bob", name="bob")).user == "ada"
