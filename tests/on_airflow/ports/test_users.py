"""Who asks, of Airflow's users: as its own routes tell it, and with words that help where nobody is vouched for."""

from types import SimpleNamespace

import httpx
import jwt
import pytest
from sqlalchemy.exc import OperationalError, TimeoutError
from starlette.requests import Request

from daybook.web.settings import OidcSettings
from daybook.web.tokens.oidc import OidcTokens
from daybook.web.tokens.provider_keys import ProviderKeys
from daybook.web.world import NotLoggedIn

pytestmark = [
    pytest.mark.anyio,
    # Airflow's API server imports a test client of Starlette's, by way of `svcs`.
    pytest.mark.filterwarnings("ignore:Using `httpx`"),
]

EXPIRED = jwt.encode({"iss": "https://airflow.example", "sub": "ada"}, "k" * 32)
SETTINGS = OidcSettings("https://id.example", "daybook")


class Keycloaks:
    """A user as Keycloak's auth manager has it; its package is not installed here."""

    def __init__(self, name, **claims):
        self.name, self.access_token = name, jwt.encode(claims, "k" * 32)

    def get_name(self):
        return self.name


def asked(bearer=None, cookie=None, **state):
    headers = [(b"authorization", f"Bearer {bearer}".encode())] if bearer else []
    headers += [(b"cookie", f"_token={cookie}".encode())] if cookie else []
    return Request({"type": "http", "headers": headers, "state": state})


@pytest.fixture
def airflow(monkeypatch):
    """The module, of an Airflow whose tokens are users' names, and which signs tokens by writing `for` before them."""
    from airflow.api_fastapi.core_api.security import USER_INJECTED_BY_TRUSTED_MIDDLEWARE
    from fastapi import HTTPException

    from daybook.on_airflow.ports import users

    async def resolve(token):
        if token == EXPIRED:
            raise HTTPException(401, "Token Expired")
        if not token or "." in token:
            raise HTTPException(403, "Invalid JWT token")
        return Keycloaks(token)

    manager = SimpleNamespace(generate_jwt=lambda user: f"for {user.get_name()}")
    monkeypatch.setattr(users, "resolve_user_from_token", resolve)
    monkeypatch.setattr(users, "get_auth_manager", lambda: manager)
    return SimpleNamespace(users=users, trusted=USER_INJECTED_BY_TRUSTED_MIDDLEWARE)


async def test_a_browsers_user_is_whom_airflows_middleware_has_let_in_with_what_it_has_renewed(airflow):
    renewed = Keycloaks("ada", groups=["geo"])
    request = asked(cookie="ada", user=renewed, user_authenticated_via=airflow.trusted)
    identity = await airflow.users.Users().identity(request)
    assert (identity.user, identity.groups) == ("ada", {"geo"})
    assert airflow.users.token_for_airflow(request) == "for ada"


async def test_a_user_whom_something_else_has_put_there_counts_for_nothing(airflow):
    request = asked(cookie="bob", user=Keycloaks("ada"), user_authenticated_via=object())
    assert (await airflow.users.Users().identity(request)).user == "bob"
    assert airflow.users.token_for_airflow(request) == "bob"


async def test_a_token_beside_the_cookie_counts_alone(airflow):
    request = asked(bearer="bob", cookie="ada", user=Keycloaks("ada"), user_authenticated_via=airflow.trusted)
    assert (await airflow.users.Users().identity(request)).user == "bob"
    assert airflow.users.token_for_airflow(request) == "bob"


@pytest.mark.parametrize("issuer", ["https://id.example/", "https://id.example:443", "http://id.example", "id.example"])
async def test_a_token_of_an_issuer_that_is_spelled_otherwise_is_refused_with_the_one_that_counts(airflow, issuer):
    users = airflow.users.Users(OidcTokens(SETTINGS, ProviderKeys(SETTINGS)))
    token = jwt.encode({"iss": issuer, "sub": "ada"}, "k" * 32)
    with pytest.raises(NotLoggedIn, match=r"of another issuer than https://id\.example, whose tokens count here"):
        await users.identity(asked(bearer=token))


async def test_whoever_sends_another_token_is_told_what_airflow_tells(airflow):
    users = airflow.users.Users(OidcTokens(SETTINGS, ProviderKeys(SETTINGS)))
    for request in (asked(bearer=jwt.encode({"sub": "1"}, "k" * 32)), asked(bearer="a.b.c"), asked()):
        with pytest.raises(NotLoggedIn, match=r"^Invalid JWT token$"):
            await users.identity(request)


async def test_an_expired_token_of_airflows_own_is_told_as_that_though_it_names_an_issuer(airflow):
    users = airflow.users.Users(OidcTokens(SETTINGS, ProviderKeys(SETTINGS)))
    with pytest.raises(NotLoggedIn, match=r"^Token Expired$"):
        await users.identity(asked(bearer=EXPIRED))


@pytest.fixture
def pages(tmp_path):
    """The pages, with nothing to show."""
    from daybook.on_airflow import pages

    (tmp_path / "workspaces.yaml").write_text("workspaces: {local: {bucket: /tmp/none, members: [ada]}}")
    return pages.create_pages(
        {"DAYBOOK_CATALOGUE": str(tmp_path), "DAYBOOK_WORKSPACES": str(tmp_path / "workspaces.yaml")}
    )


@pytest.mark.parametrize("error", [OperationalError("SELECT", {}, Exception("locked")), TimeoutError("no connection")])
async def test_where_airflows_database_is_away_nobody_is_told_that_something_broke(airflow, pages, monkeypatch, error):
    """Airflow asks it about each token, whether that was withdrawn."""

    async def away(_):
        raise error

    monkeypatch.setattr(airflow.users, "resolve_user_from_token", away)
    transport = httpx.ASGITransport(pages, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://daybook.test") as client:
        answer = await client.get("/api/v1/runs", headers={"Authorization": "Bearer ada"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "try again soon" in answer.json()["detail"]


async def test_the_way_to_the_login_is_airflows_own_which_every_auth_manager_hands_on(pages):
    """FAB's `get_url_login` leaves out where to come back to."""
    where = pages.state.site.world.login_url("/notebooks/run/nb?a=1&b=2")
    assert where == "/api/v2/auth/login?next=%2Fnotebooks%2Frun%2Fnb%3Fa%3D1%26b%3D2"
