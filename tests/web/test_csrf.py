"""Posts that nobody meant to send are refused."""

import dataclasses
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from daybook.web.app import create_app
from daybook.web.settings import WebSettings
from daybook.web.tokens.csrf import DAY_SECONDS, Csrf, SafePost
from daybook.web.world import NotLoggedIn
from daybook.workspaces import Identity

KEY = b"k" * 32
ADA, BOB = Identity("ada"), Identity("bob")
OURS = {"Origin": "https://daybook.test"}


class Clock:
    def __init__(self, now: float = 1e9) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_a_token_is_good_for_its_user_on_that_day_and_the_next():
    clock = Clock(now=100 * DAY_SECONDS - 1)
    csrf = Csrf(KEY, clock)
    token = csrf.token(ADA)
    for later, good in ((0, True), (1, True), (DAY_SECONDS, True), (DAY_SECONDS + 1, False), (-DAY_SECONDS, False)):
        clock.now = 100 * DAY_SECONDS - 1 + later
        assert (later, csrf.check(ADA, token)) == (later, good)


def test_no_two_pages_hold_the_same_token():
    """Pages are compressed and repeat what a link gives: of a token that stays, their lengths would tell (BREACH)."""
    csrf = Csrf(KEY)
    tokens = [csrf.token(ADA) for _ in range(3)]
    assert (
        len({each[start : start + 8] for each in tokens for start in range(0, len(each), 8)}) == 3 * len(tokens[0]) / 8
    )
    assert all(csrf.check(ADA, each) for each in tokens)


@pytest.mark.parametrize("other", [BOB, Identity(None), Identity(""), Identity("ad"), Identity("ada ")])
def test_a_token_is_nobody_elses(other):
    csrf = Csrf(KEY)
    assert not csrf.check(other, csrf.token(ADA))


@pytest.mark.parametrize("token", ["", "x", "0" * 64, "é" * 64, "\udcff"])
def test_what_is_no_token_is_none(token):
    assert not Csrf(KEY).check(ADA, token)


def test_another_installations_token_is_none():
    assert not Csrf(KEY).check(ADA, Csrf(b"x" * 32).token(ADA))


def test_without_a_key_no_token_can_be_foretold_and_the_log_says_what_that_means(caplog):
    one, other = Csrf(b""), Csrf(b"")
    assert "no key" in caplog.text
    assert one.check(ADA, one.token(ADA))
    assert not other.check(ADA, one.token(ADA))


async def user_by_cookie(request: Request) -> Identity:
    """As Airflow tells: a bearer token counts before the cookie."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    name = token if scheme.lower() == "bearer" and token else request.cookies.get("_token")
    if not name:
        raise NotLoggedIn("no token")
    return Identity(name)


@pytest.fixture
def app(world) -> FastAPI:
    """An app with a route that changes something."""
    settings = WebSettings(mount="", public_url="https://public.test/airflow")
    app = create_app(dataclasses.replace(world, user=user_by_cookie, settings=settings))

    @app.post("/change")
    async def change(posted: SafePost) -> dict[str, Any]:
        return dict(posted.fields)

    return app


@pytest.fixture
def post(app):
    """Posts to it by Ada's browser."""

    async def post(headers: dict[str, str], data: dict[str, str] | None = None, cookie: str | None = "ada"):
        cookies = {"_token": cookie} if cookie else {}
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://daybook.test", cookies=cookies) as client:
            return await client.post("/change", headers=headers, data={"a": "1", **(data or {})})

    return post


@pytest.fixture
def token(app) -> dict[str, str]:
    """The field that Ada's pages hold."""
    return {"csrf": app.state.site.csrf.token(ADA)}


OWN = {
    "our origin": OURS,
    "our origin, and the browser says so": {**OURS, "Sec-Fetch-Site": "same-origin"},
    "the browser says so": {"Sec-Fetch-Site": "same-origin"},
    "the public URL's origin": {"Origin": "https://public.test"},
    "the public URL's origin with its port": {"Origin": "https://public.test:443"},
    "TLS ends before us": {"Origin": "http://daybook.test"},
}


@pytest.mark.anyio
@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
async def test_our_own_pages_can_post(post, token, headers):
    answer = await post(headers, token)
    assert (answer.status_code, answer.json()) == (200, {"a": ["1"]})


STRANGE = {
    "no origin at all": {},
    "a stranger's": {"Origin": "https://evil.test"},
    "none that can be told": {"Origin": "null"},
    "empty": {"Origin": ""},
    "another port": {"Origin": "https://daybook.test:8443"},
    "one that begins like ours": {"Origin": "https://daybook.test.evil.test"},
    "one that ends like ours": {"Origin": "https://evil-daybook.test"},
    "ours as a user's name": {"Origin": "https://daybook.test@evil.test"},
    "the public host without TLS": {"Origin": "http://public.test"},
    "no URL": {"Origin": "https://["},
    "the browser says cross-site": {**OURS, "Sec-Fetch-Site": "cross-site"},
    "the browser says same-site": {**OURS, "Sec-Fetch-Site": "same-site"},
    "the browser says none": {"Sec-Fetch-Site": "none"},
    "same-origin, with a stranger's origin": {"Origin": "https://evil.test", "Sec-Fetch-Site": "same-origin"},
}


@pytest.mark.anyio
@pytest.mark.parametrize("headers", STRANGE.values(), ids=STRANGE)
async def test_other_pages_cannot_also_with_a_token(post, token, headers):
    answer = await post(headers, token)
    assert answer.status_code == 403
    assert "nothing was done" in answer.text


@pytest.mark.anyio
async def test_an_operator_whose_proxy_changes_the_host_finds_in_the_log_what_to_set(post, token, caplog):
    await post({"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}, token)
    await post({"Origin": "https://evil.test"}, token)
    assert not caplog.text
    answer = await post({"Origin": "https://airflow.example", "Sec-Fetch-Site": "same-origin"}, token)
    assert answer.status_code == 403
    assert "'https://airflow.example' was refused, for we are asked as 'daybook.test'" in caplog.text
    assert "DAYBOOK_PUBLIC_URL" in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize("field", [{}, {"csrf": ""}, {"csrf": "x"}, {"csrf": Csrf(KEY).token(BOB)}])
async def test_our_origin_without_the_users_token_is_not_enough(post, field):
    answer = await post(OURS, field)
    assert answer.status_code == 403
    assert "nothing was done" in answer.text


@pytest.mark.anyio
async def test_a_bearer_token_needs_neither(post):
    answer = await post({"Authorization": "Bearer ada"}, cookie=None)
    assert (answer.status_code, answer.json()) == (200, {"a": ["1"]})


ADDED = {"Authorization": "Bearer ada"}


@pytest.mark.anyio
@pytest.mark.parametrize("headers", [each for name, each in STRANGE.items() if name != "no origin at all"])
async def test_a_token_that_a_proxy_adds_to_what_a_browser_sends_vouches_for_no_page(post, token, headers):
    """As oauth2-proxy does, and Airflow's own middleware where everybody is its admin."""
    answer = await post({**ADDED, **headers}, token, cookie=None)
    assert (answer.status_code, "nothing was done" in answer.text) == (403, True)


@pytest.mark.anyio
@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
async def test_our_own_pages_can_post_behind_such_a_proxy(post, token, headers):
    assert (await post({**ADDED, **headers}, token, cookie=None)).status_code == 200
    assert (await post({**ADDED, **headers}, cookie=None)).status_code == 403


@pytest.mark.anyio
@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic ada", "ada"])
async def test_a_header_that_vouches_for_nobody_leaves_the_cookie_to_be_guarded(post, header):
    assert (await post({"Authorization": header})).status_code == 403


@pytest.mark.anyio
async def test_whoever_is_not_logged_in_is_sent_to_log_in_and_not_told_of_tokens(post):
    assert (await post(OURS, cookie=None)).status_code == 401
