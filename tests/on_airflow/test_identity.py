"""Users of Airflow's auth managers as identities."""

from types import SimpleNamespace

import jwt
import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.providers.amazon.aws.auth_manager.user import AwsAuthManagerUser
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from daybook.on_airflow import identity
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


class Base(DeclarativeBase):
    pass


class StoredUser(Base):
    """As FAB's: its groups are loaded when they are asked for, and so not after its session."""

    __tablename__ = "people"
    name: Mapped[str] = mapped_column(primary_key=True)
    groups: Mapped[list["StoredGroup"]] = relationship()

    def get_name(self):
        return self.name


class StoredGroup(Base):
    __tablename__ = "their_groups"
    name: Mapped[str] = mapped_column(primary_key=True)
    of: Mapped[str] = mapped_column(ForeignKey("people.name"))


def test_the_groups_of_a_user_whose_session_is_closed_are_loaded(monkeypatch):
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(StoredUser(name="ada", groups=[StoredGroup(name="geo")]))
        session.commit()
    with Session(engine) as session:
        user = session.scalars(select(StoredUser)).one()
    monkeypatch.setattr(identity, "create_session", lambda: Session(engine))
    assert identity_of(user) == Identity("ada", frozenset({"geo"}))
    engine.dispose()


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
