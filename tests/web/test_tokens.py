"""Bearer tokens of a real OpenID provider, at the real app; and every token that must not count."""

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import json
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st

from builders import RUN_ID, a_manifest, a_workspace
from daybook.storage import record_of
from daybook.web.app import create_app
from daybook.web.settings import OidcSettings
from daybook.web.tokens import provider_keys
from daybook.web.tokens.oidc import MAX_TOKEN_BYTES, OidcTokens
from daybook.web.tokens.provider_keys import ProviderKeys
from daybook.web.world import NotLoggedIn
from daybook.workspaces import Members, Workspaces
from oidc_provider.really_started import AUDIENCE, OidcProvider, an_ec_key, an_rsa_key

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A provider is quick here, however busy the machine is."""
    monkeypatch.setattr(provider_keys, "PATIENCE_SECONDS", 60.0)


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    provider = OidcProvider(tmp_path_factory.mktemp("provider"))
    provider.start(an_rsa_key("rsa-1"), an_ec_key("ec-1"))
    yield provider
    provider.stop()


class Counting(httpx.AsyncBaseTransport):
    """The network, and what was asked of it."""

    def __init__(self):
        self.asked = []

    async def handle_async_request(self, request):
        self.asked.append(str(request.url))
        async with httpx.AsyncHTTPTransport() as network:
            answer = await network.handle_async_request(request)
            content = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(content))


class Clock:
    """Monotonic seconds, by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def tokens_of(provider, transport=None, clock=time.monotonic, **settings):
    chosen = OidcSettings(provider.issuer, AUDIENCE, **settings)
    return OidcTokens(chosen, ProviderKeys(chosen, clock, transport))


def app_for(world, tokens):
    """The app, for people whom the provider vouches for."""

    async def user(request):
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not tokens.are_of(token):
            raise NotLoggedIn("no token of the provider")
        return await tokens.identity(token)

    transport = httpx.ASGITransport(create_app(dataclasses.replace(world, user=user)), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://daybook.test")


async def ask(client, token, workspace="open"):
    return await client.get(f"/runs/{workspace}/{RUN_ID}", headers={"Authorization": f"Bearer {token}"})


# -- tokens that count -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_token_of_the_provider_opens_the_run_of_whoever_is_a_member(world, save, provider, algorithm):
    save(a_manifest())
    async with app_for(world, tokens_of(provider)) as client:
        alice = await ask(client, provider.token(algorithm=algorithm, sub="alice"), "closed")
        bob = await ask(client, provider.token(algorithm=algorithm, sub="bob"), "closed")
    assert (alice.status_code, bob.status_code) == (200, 404)


async def test_the_claim_of_workspaces_makes_members_where_the_file_says_so(world, bucket, provider):
    """EO DataHub's tokens: the person is in each workspace that they name, and in no other."""
    found = Workspaces(
        workspaces=tuple(
            a_workspace(name=name, namespace=name, members=Members(claims={"workspaces": (name,)}))
            for name in ("one", "two", "three")
        )
    )
    record_of(bucket, RUN_ID).write(a_manifest())
    world = dataclasses.replace(world, workspaces=lambda: found)
    async with app_for(world, tokens_of(provider)) as client:
        token = provider.token(sub="ada", workspaces=["one", "two"])
        told = [(await ask(client, token, name)).status_code for name in ("one", "two", "three")]
    assert told == [200, 200, 404]


async def test_names_and_groups_are_what_the_settings_say_and_stand_behind_the_prefix(provider):
    tokens = tokens_of(provider, user_claim="preferred_username", groups_claim="realm.roles", prefix="hub:")
    token = provider.token(preferred_username="ada", realm={"roles": ["op", "team"]}, flag=True)
    identity = await tokens.identity(token)
    assert (identity.user, identity.groups) == ("hub:ada", {"hub:op", "hub:team"})
    assert identity.claims["flag"] == {"true"}
    assert identity.claims["realm.roles"] == {"op", "team"}


async def test_a_clock_that_is_a_little_off_does_no_harm(provider):
    now = int(time.time())
    for claims in ({"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}):
        assert (await tokens_of(provider).identity(provider.token(sub="ada", **claims))).user == "ada"


# -- tokens that do not ------------------------------------------------------------------------------------------------


def by_hand(key, claims, header=None, algorithm=None):
    """A token as an attacker, or a provider gone wrong, would make it with one of the provider's keys."""
    content = json.dumps(claims).encode()  # jwt.encode would not make some of these
    marks = {"kid": key["kid"], **(header or {})}
    return jwt.PyJWS().encode(content, jwt.PyJWK(key).key, algorithm or key["alg"], marks)


def spelled_otherwise(token):
    """The same bytes: the last letter's last four bits belong to none of them."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + letters[letters.index(token[-1]) + 1]


def sealed(header, claims, sign):
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (header, claims)]
    signature = base64.urlsafe_b64encode(sign(b".".join(parts))).rstrip(b"=")
    return b".".join([*parts, signature]).decode()


def attacks(provider):
    """Tokens by what is wrong with them, and what whoever sends one is told."""
    rsa, ec = provider.keys
    now = int(time.time())
    good = {"iss": provider.issuer, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 60}
    public = jwt.PyJWK(rsa).key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    stranger = {**an_rsa_key("rsa-1")}

    def without(name):
        return {each: value for each, value in good.items() if each != name}

    def shared(secret):
        return lambda text: hmac.digest(secret, text, hashlib.sha256)

    hs = {"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}
    own = {name: value for name, value in an_rsa_key("x").items() if name in ("kty", "n", "e")}
    signed = "must be signed by RS256 or ES256"
    genuine = "is not genuine"
    unknown = "a key that its issuer does not have"
    return {
        "alg none": (sealed({"alg": "none", "kid": "rsa-1"}, good, lambda _: b""), signed),
        "alg None": (sealed({"alg": "NonE", "kid": "rsa-1"}, good, lambda _: b""), signed),
        "no alg": (sealed({"kid": "rsa-1"}, good, lambda _: b""), "the token"),
        "no signature": (by_hand(rsa, good).rsplit(".", 1)[0] + ".", genuine),
        "HS256 with the public key": (sealed(hs, good, shared(pem)), signed),
        "HS256 with the key's modulus": (sealed(hs, good, shared(rsa["n"].encode())), signed),
        "HS256 with nothing": (sealed(hs, good, shared(b"")), signed),
        "RS512 with the right key": (by_hand(rsa, good, algorithm="RS512"), signed),
        "PS256 with the right key": (by_hand(rsa, good, algorithm="PS256"), signed),
        "somebody else's key of the same name": (by_hand(stranger, good), genuine),
        "RS256 by the name of the other kind's key": (by_hand(rsa, good, {"kid": "ec-1"}), unknown),
        "ES256 by the name of the other kind's key": (by_hand(ec, good, {"kid": "rsa-1"}), unknown),
        "another content": (
            ".".join(
                [
                    by_hand(rsa, {**good, "sub": "bob"}).split(".")[0],
                    by_hand(rsa, good).split(".")[1],
                    by_hand(rsa, {**good, "sub": "bob"}).split(".")[2],
                ]
            ),
            genuine,
        ),
        "another audience": (provider.token("urn:other", sub="alice"), f"'aud' does not hold {AUDIENCE!r}"),
        "an audience that begins as ours": (by_hand(rsa, {**good, "aud": AUDIENCE + "2"}), "meant for somebody else"),
        "no audience": (by_hand(rsa, without("aud")), "lacks the claim 'aud'"),
        "no audience, as some providers' access tokens": (
            by_hand(rsa, {**without("aud"), "azp": AUDIENCE, "client_id": AUDIENCE}),
            "lacks the claim 'aud'",
        ),
        "an audience of no names": (by_hand(rsa, {**good, "aud": []}), "lacks the claim 'aud'"),
        "expired": (by_hand(rsa, {**good, "exp": now - 31}), "has expired"),
        "without end": (by_hand(rsa, without("exp")), "lacks the claim 'exp'"),
        "an end that is no number": (by_hand(rsa, {**good, "exp": "never"}), genuine),
        "not yet": (by_hand(rsa, {**good, "nbf": now + 60}), "does not count yet"),
        "issued later": (by_hand(rsa, {**good, "iat": now + 60}), "does not count yet"),
        "an end that is none": (by_hand(rsa, {**good, "exp": None}), "lacks the claim 'exp'"),
        "an end in a list": (by_hand(rsa, {**good, "exp": [now + 60]}), genuine),
        "an end that never comes": (by_hand(rsa, {**good, "exp": float("inf")}), genuine),
        "an end that is no number at all": (by_hand(rsa, {**good, "exp": float("nan")}), genuine),
        "a beginning in an object": (by_hand(rsa, {**good, "nbf": {}}), genuine),
        "nobody": (by_hand(rsa, without("sub")), "lacks the claim 'sub'"),
        "somebody who is a number": (by_hand(rsa, {**good, "sub": 7}), genuine),
        "a name that is empty": (by_hand(rsa, {**good, "sub": ""}), "names no user"),
        "a name of two lines": (by_hand(rsa, {**good, "sub": "alice\nadmin"}), "names no user"),
        "a name that is endless": (by_hand(rsa, {**good, "sub": "a" * 251}), "names no user"),
        "padded": (by_hand(rsa, good) + "==", "the token is none"),
        "a blank within": (by_hand(rsa, good)[:-9] + " " + by_hand(rsa, good)[-9:], "no token of the provider"),
        "the alphabet of files": (by_hand(rsa, {**good, "x": "~~~???"}).replace("_", "/"), "no token of the provider"),
        "bits behind its end": (spelled_otherwise(by_hand(rsa, good)), "no token of the provider"),
        "no key named": (jwt.encode(good, jwt.PyJWK(rsa).key, "RS256"), "does not name its key"),
        "a key's name that is a path": (by_hand(rsa, good, {"kid": "../../etc/passwd"}), unknown),
        "a key's name that is an address": (by_hand(rsa, good, {"kid": "http://127.0.0.1:1/keys"}), unknown),
        "a key that it brings along": (by_hand({**an_rsa_key("x")}, good, {"jwk": own}), unknown),
        "an address of keys that it brings along": (
            by_hand(an_rsa_key("x"), good, {"jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/cert"}),
            unknown,
        ),
        "critical parts": (by_hand(rsa, good, {"crit": ["b64"], "b64": True}), "not logged in"),
        "nothing but brackets": (
            ".".join([by_hand(rsa, good).split(".")[0], base64.urlsafe_b64encode(b"[" * 9000).decode(), "x"]),
            "no token of the provider",
        ),
        "a header of brackets": (
            ".".join([base64.urlsafe_b64encode(b"[" * 9000).decode(), by_hand(rsa, good).split(".")[1], "x"]),
            "no token of the provider",
        ),
        "huge": (by_hand(rsa, {**good, "more": "x" * MAX_TOKEN_BYTES}), "no token of the provider"),
        "another issuer": (by_hand(rsa, {**good, "iss": provider.issuer + "/"}), "no token of the provider"),
        "an issuer in a list": (by_hand(rsa, {**good, "iss": [provider.issuer]}), "no token of the provider"),
        "no token": ("abc", "no token of the provider"),
        "two dots": ("..", "no token of the provider"),
    }


async def test_no_token_counts_that_is_not_the_providers_own_for_us_and_for_now(world, save, provider):
    save(a_manifest())
    network = Counting()
    wrong = []
    async with app_for(world, tokens_of(provider, network)) as client:
        assert (await ask(client, provider.token(sub="alice"))).status_code == 200
        for name, (token, message) in attacks(provider).items():
            answer = await ask(client, token)
            if answer.status_code != 401 or message not in answer.text:
                wrong.append((name, answer.status_code, answer.text))
    assert not wrong
    assert {url.removeprefix(provider.issuer) for url in network.asked} == {
        "/.well-known/openid-configuration",
        "/jwks",
    }


segments = st.one_of(
    st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["alg", "kid", "iss", "aud", "exp", "sub", "crit", "typ"]), inner)
        ),
    ).map(lambda made: base64.urlsafe_b64encode(json.dumps(made).encode()).decode().rstrip("=")),
)


@given(st.one_of(st.binary().map(lambda raw: raw.decode("latin-1")), st.lists(segments, max_size=4).map(".".join)))
def test_whatever_is_sent_as_a_token_is_refused_and_breaks_nothing(text):
    """Headers arrive as Latin-1."""
    settings = OidcSettings(ISSUER, AUDIENCE)
    tokens = OidcTokens(settings, answering({}))
    assert tokens.are_of(text) in (True, False)
    with pytest.raises((NotLoggedIn, HTTPException)):
        asyncio.run(tokens.identity(text))


async def test_every_attack_is_one_because_of_what_is_wrong_with_it_alone(provider):
    """The same, made the same way, counts where nothing is wrong."""
    rsa, ec = provider.keys
    now = int(time.time())
    good = {"iss": provider.issuer, "aud": [AUDIENCE, "urn:other"], "sub": "alice", "iat": now, "exp": now + 60}
    for token in (by_hand(rsa, good), by_hand(ec, good), by_hand(rsa, good, {"jku": "http://127.0.0.1:1/"})):
        assert (await tokens_of(provider).identity(token)).user == "alice"


async def test_a_provider_may_be_held_to_one_kind_of_signature(provider):
    tokens = tokens_of(provider, algorithms=("ES256",))
    assert (await tokens.identity(provider.token(algorithm="ES256", sub="ada"))).user == "ada"
    with pytest.raises(NotLoggedIn, match="must be signed by ES256"):
        await tokens.identity(provider.token(sub="ada"))


# -- keys --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def turning(tmp_path):
    """A provider that its test starts, stops and gives other keys."""
    provider = OidcProvider(tmp_path)
    yield provider
    provider.stop()


async def test_a_new_key_is_fetched_when_a_token_names_it_and_a_flood_of_names_fetches_once(turning):
    turning.start(an_rsa_key("old"))
    network, clock = Counting(), Clock()
    tokens = tokens_of(turning, network, clock)
    old = turning.token(sub="ada")
    await tokens.identity(old)
    turning.start(an_rsa_key("new"))
    new = turning.token(sub="ada")
    assert len(network.asked) == 2

    assert (await tokens.identity(new)).user == "ada"  # however short after the last look
    assert len(network.asked) == 4
    turning.start(an_rsa_key("newer"))
    newer = turning.token(sub="ada")
    with pytest.raises(NotLoggedIn, match="does not have"):  # so soon after the last unknown name nobody looks again
        await tokens.identity(newer)
    clock.now += provider_keys.PAUSE_SECONDS - 1
    with pytest.raises(NotLoggedIn, match="does not have"):
        await tokens.identity(newer)
    clock.now += 1
    assert (await tokens.identity(newer)).user == "ada"
    assert len(network.asked) == 6
    with pytest.raises(NotLoggedIn, match="does not have"):
        await tokens.identity(old)

    for round_ in (1, 2):
        clock.now += provider_keys.PAUSE_SECONDS
        for number in range(50):
            with pytest.raises(NotLoggedIn):
                await tokens.identity(by_hand({**turning.keys[0], "kid": f"{round_}-{number}"}, {}))
        assert len(network.asked) == 6 + 2 * round_


async def test_a_provider_that_is_down_is_told_as_that_until_it_is_back(world, save, turning):
    save(a_manifest())
    turning.start(an_rsa_key("key"))
    token = turning.token(sub="alice")
    key = turning.keys[0]
    turning.stop()
    network, clock = Counting(), Clock()
    async with app_for(world, tokens_of(turning, network, clock)) as client:
        for _ in range(20):
            answer = await ask(client, token)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert len(network.asked) == 1
        turning.start(key)
        clock.now += provider_keys.RETRY_SECONDS
        assert (await ask(client, token)).status_code == 200


async def test_a_new_key_of_a_provider_that_is_down_is_told_as_that_and_not_as_a_bad_token(turning):
    """Whoever is told that their token is bad throws it away, and logs in anew, for nothing."""
    turning.start(an_rsa_key("old"))
    clock = Clock()
    tokens = tokens_of(turning, Counting(), clock)
    old = turning.token(sub="ada")
    await tokens.identity(old)
    turning.start(an_rsa_key("new"))
    new = turning.token(sub="ada")
    key = turning.keys[0]
    turning.stop()
    clock.now += 1
    for _ in range(2):
        with pytest.raises(HTTPException) as caught:
            await tokens.identity(new)
        assert caught.value.status_code == 503
        assert (await tokens.identity(old)).user == "ada"
    turning.start(key)
    clock.now += provider_keys.PAUSE_SECONDS
    assert (await tokens.identity(new)).user == "ada"


class Gated(httpx.AsyncBaseTransport):
    """A provider that answers when its test says so."""

    def __init__(self):
        self.open, self.asked = asyncio.Event(), 0
        self.open.set()

    async def handle_async_request(self, request):
        self.asked += 1
        await self.open.wait()
        made = {FOUND: discovery(), KEYS: key_set(public(RSA))}[str(request.url)]
        return httpx.Response(200, stream=httpx.ByteStream(made.content))


async def test_a_provider_that_is_slow_holds_nobody_up_whose_key_is_at_hand(monkeypatch):
    monkeypatch.setattr(provider_keys, "PATIENCE_SECONDS", 0.01)
    provider, clock = Gated(), Clock()
    keys = ProviderKeys(OidcSettings(ISSUER, AUDIENCE), clock, provider)
    await keys.get("k", "RS256")
    clock.now += provider_keys.FRESH_SECONDS + 1
    provider.open.clear()
    for _ in range(5):
        assert (await keys.get("k", "RS256")).key_id == "k"
    unknown = [asyncio.create_task(keys.get(name, "RS256")) for name in ("one", "two")]
    await asyncio.sleep(0)
    assert provider.asked == 3  # one fetch goes on, for all of them
    provider.open.set()
    for each in unknown:
        with pytest.raises(provider_keys.UnknownKey):
            await each
    assert provider.asked == 6  # and one more for the names that it had not begun for


async def test_keys_at_hand_count_for_a_day_while_the_provider_is_down(turning):
    turning.start(an_rsa_key("key"))
    token, clock = turning.token(sub="ada"), Clock()
    tokens = tokens_of(turning, Counting(), clock)
    await tokens.identity(token)
    turning.stop()
    clock.now += provider_keys.USABLE_SECONDS - 1
    assert (await tokens.identity(token)).user == "ada"
    clock.now += 2
    with pytest.raises(Exception, match="503"):
        await tokens.identity(token)


async def test_a_key_that_the_provider_has_withdrawn_counts_for_ten_minutes_at_most(turning):
    turning.start(an_rsa_key("stolen"))
    token, clock = turning.token(sub="ada"), Clock()
    tokens = tokens_of(turning, Counting(), clock)
    await tokens.identity(token)
    turning.start(an_rsa_key("key"))
    clock.now += provider_keys.FRESH_SECONDS + 1
    with pytest.raises(NotLoggedIn, match="does not have"):
        await tokens.identity(token)


ISSUER = "https://id.example"


def answering(documents):
    """A provider that answers as it should not; the real one cannot be made to."""

    def answer(request):
        made = documents.get(str(request.url)) or httpx.Response(404)
        return httpx.Response(made.status_code, headers=made.headers, stream=httpx.ByteStream(made.content))

    settings = OidcSettings(ISSUER, AUDIENCE)
    return ProviderKeys(settings, transport=httpx.MockTransport(answer))


@pytest.mark.parametrize(
    ("issuer", "plain_http", "address", "fits"),
    [
        ("http://id.example", True, "http://id.example/keys", True),
        ("http://id.example", True, "https://id.example/keys", True),
        ("http://id.example", True, "http://127.0.0.1/keys", False),
        ("http://id.example", False, "http://id.example/keys", False),
        ("https://id.example", True, "http://id.example/keys", False),
    ],
)
def test_keys_come_over_plain_http_only_from_an_issuer_that_the_operator_takes_so(issuer, plain_http, address, fits):
    settings = OidcSettings(issuer, "daybook", plain_http=plain_http)
    found = {"issuer": issuer, "jwks_uri": address}
    if fits:
        assert provider_keys._keys_address(found, settings) == address
    else:
        with pytest.raises(provider_keys._Unusable, match="no https address"):
            provider_keys._keys_address(found, settings)


def discovery(**changes):
    return httpx.Response(200, json={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", **changes})


def public(key, **changes):
    return {**{name: value for name, value in key.items() if name in ("kty", "kid", "n", "e", "use", "alg")}, **changes}


def key_set(*keys):
    return httpx.Response(200, json={"keys": list(keys)})


RSA = an_rsa_key("k")
FOUND, KEYS = f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/keys"


@pytest.mark.parametrize(
    ("documents", "reason"),
    [
        ({}, "answers 404"),
        ({FOUND: httpx.Response(302, headers={"Location": f"{ISSUER}/other"})}, "answers 302"),
        ({FOUND: discovery(issuer=ISSUER + "/")}, "is of issuer"),
        ({FOUND: discovery(jwks_uri="http://id.example/keys")}, "no https address"),
        ({FOUND: discovery(jwks_uri="http://127.0.0.1/keys")}, "no https address"),
        ({FOUND: discovery(jwks_uri="file:///etc/passwd")}, "no https address"),
        ({FOUND: discovery(jwks_uri="https://[x")}, "no https address"),
        ({FOUND: discovery(jwks_uri="https://id.example:99999/keys")}, "no https address"),
        ({FOUND: discovery(jwks_uri=None)}, "no https address"),
        ({FOUND: httpx.Response(200, text="[" * 9000)}, "gives no JSON"),
        ({FOUND: httpx.Response(200, json=[])}, "gives no JSON object"),
        ({FOUND: httpx.Response(200, content=b"x" * (provider_keys.MAX_BYTES + 1))}, "gives more than"),
        ({FOUND: discovery(), KEYS: httpx.Response(302, headers={"Location": FOUND})}, "answers 302"),
        ({FOUND: discovery(), KEYS: httpx.Response(200, json={"keys": "none"})}, "none of its keys"),
        ({FOUND: discovery(), KEYS: key_set(public(RSA, use="enc"))}, "none of its keys"),
        ({FOUND: discovery(), KEYS: key_set(public(RSA, alg="RS512"))}, "none of its keys"),
        ({FOUND: discovery(), KEYS: key_set(public(RSA, kty="oct", k="AAAA"))}, "none of its keys"),
        ({FOUND: discovery(), KEYS: key_set(public(RSA, n="AAAA"))}, "none of its keys"),
        ({FOUND: discovery(), KEYS: key_set(public(RSA, key_ops=["encrypt"]))}, "none of its keys"),
        ({FOUND: discovery(), KEYS: key_set(public(RSA, kid=7), "none", None)}, "none of its keys"),
        ({FOUND: discovery(), KEYS: key_set(public(an_rsa_key("k", 1024)))}, "none of its keys"),
        ({FOUND: discovery(), KEYS: key_set(RSA)}, "none of its keys"),
    ],
)
async def test_no_keys_are_taken_from_a_provider_that_is_not_as_it_must_be(documents, reason, caplog):
    with pytest.raises(provider_keys.NoKeys):
        await answering(documents).get("k", "RS256")
    assert reason in caplog.text


BROKEN = [
    public(RSA, kid="e", use="enc"),
    {"kty": "?"},
    public(RSA, kid="list", key_ops=5),
    public(RSA, kid="number", n=5),
    public(RSA, kid="text", n="é"),
    public(RSA, kid="even", e="Ag"),
    {"kty": "EC", "crv": "P-256", "kid": "off", "x": "A" * 43, "y": "A" * 43},
    {"kty": "EC", "crv": "P-256", "kid": "none", "x": None, "y": 7},
]


async def test_keys_that_are_not_for_us_do_no_harm_to_those_that_are():
    keys = answering({FOUND: discovery(), KEYS: key_set(*BROKEN, public(RSA))})
    assert (await keys.get("k", "RS256")).key_id == "k"
    with pytest.raises(provider_keys.UnknownKey):
        await keys.get("k", "ES256")


@pytest.fixture
def over_tls(tmp_path):
    """A provider on this machine by https, with a certificate that it made itself; and the file that says so."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the provider")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    chain, authority = tmp_path / "chain.pem", tmp_path / "authority.pem"
    authority.write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(authority.read_bytes() + private)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            keys = {"keys": [public(RSA)]}
            found = {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
            body = json.dumps(keys if self.path == "/keys" else found).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        issuer = f"https://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever).start()
        yield issuer, authority
        server.shutdown()


async def test_whom_to_trust_is_told_by_the_environment_for_this_machine_too(over_tls, monkeypatch, caplog):
    issuer, authority = over_tls
    settings = OidcSettings(issuer, AUDIENCE)
    with pytest.raises(provider_keys.NoKeys):
        await ProviderKeys(settings).get("k", "RS256")
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # leads nowhere, and not to this machine
    assert (await ProviderKeys(settings).get("k", "RS256")).key_id == "k"


async def test_a_list_of_whom_to_trust_that_is_not_there_is_told_in_the_log(monkeypatch, caplog):
    monkeypatch.setenv("SSL_CERT_FILE", "/none/such.pem")
    with pytest.raises(provider_keys.NoKeys):
        await answering({}).get("k", "RS256")
    assert "No such file" in caplog.text


async def test_a_member_that_is_null_says_nothing():
    given = public(RSA, use=None, alg=None, key_ops=None, crv=None, d=None)
    assert (await answering({FOUND: discovery(), KEYS: key_set(given)}).get("k", "RS256")).key_id == "k"


async def test_a_token_of_an_issuer_that_is_spelled_otherwise_is_known_as_such(provider):
    tokens = tokens_of(provider)
    rsa = provider.keys[0]
    told = {
        text: tokens.are_of_another(text)
        for text in (
            provider.token(sub="ada"),
            by_hand(rsa, {"iss": provider.issuer + "/"}),
            by_hand(rsa, {"sub": "of Airflow"}),
            "abc",
        )
    }
    assert list(told.values()) == [False, True, False, False]


async def test_who_is_told_that_a_token_is_bad_is_told_by_the_header_too(world, save, provider):
    save(a_manifest())
    async with app_for(world, tokens_of(provider)) as client:
        answer = await ask(client, provider.token("urn:other", sub="alice"))
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_groups_that_a_token_leaves_out_for_their_number_are_told_to_the_operator_once(provider, caplog):
    tokens = tokens_of(provider)
    await tokens.identity(provider.token(sub="ada", groups=["geo"]))
    assert not caplog.text
    left_out = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example"}}}
    for _ in range(3):
        assert not (await tokens.identity(provider.token(sub="ada", **left_out))).groups
    assert caplog.text.count("leaves out its claim 'groups'") == 1
