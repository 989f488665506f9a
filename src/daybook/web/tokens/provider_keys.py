"""A provider's public keys: found by discovery, kept, and fetched anew when a token names one that is not known."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from daybook.web.settings import OidcSettings

FRESH_SECONDS = 600.0
"""Keys are fetched anew after this time: so long, and while the provider takes its time to answer, counts a key that it
has withdrawn."""
USABLE_SECONDS = 24 * 3600.0
"""While the provider does not answer, the last keys go on to count for so long."""
PAUSE_SECONDS = 30.0
"""Between two fetches for unknown keys: a flood of tokens that name such makes no flood of fetches. The same between
two tries for keys that are old."""
PATIENCE_SECONDS = 1.0
"""For so long whose key is at hand, but old, waits for the newer ones."""
RETRY_SECONDS = 5.0
"""The same while there are no keys at all."""
MAX_BYTES = 256 * 1024
"""How large a provider's document may be; real ones have a few kilobytes."""
MIN_RSA_BITS = 2048
"""RFC 7518, 3.3."""

_KINDS = {"RS256": ("RSA", None), "ES256": ("EC", "P-256")}
"""The type of key, and its curve, that a signature of each kind is made with (RFC 7518, 3.1)."""
_LOG = logging.getLogger(__name__)


class NoKeys(Exception):
    """The provider does not answer as it must, and no keys of it are known."""


class UnknownKey(Exception):
    """The provider has no key of that name for such signatures."""


class _Unusable(Exception):
    """What the provider answers; the text is for the operator."""


@dataclass(frozen=True)
class _Held:
    """The keys by name and kind of signature; and when (monotonic seconds) they were fetched last, when that was tried
    last, and when for a name that was not among them."""

    keys: Mapping[tuple[str, str], jwt.PyJWK] = field(default_factory=dict)
    fetched: float | None = None
    tried: float | None = None
    sought: float | None = None

    def age(self, now: float) -> float:
        return float("inf") if self.fetched is None else now - self.fetched

    @property
    def has_failed(self) -> bool:
        """Whether the last try brought none."""
        return self.tried is not None and (self.fetched is None or self.tried > self.fetched)


class ProviderKeys:
    """The keys of one provider.

    Args:
        settings: whose.
        clock: monotonic seconds.
        transport: how requests travel; None is the network.
    """

    def __init__(
        self,
        settings: OidcSettings,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._held = _Held()
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, name: str, algorithm: str) -> jwt.PyJWK:
        """The key that signatures of a kind are checked with.

        Raises:
            UnknownKey: the provider has no such key.
            NoKeys: nobody can tell now.
        """
        wanted = (name, algorithm)
        await self._look(wanted)
        silent = f"the provider {self._settings.issuer} does not tell its keys now"
        if self._held.age(self._clock()) > USABLE_SECONDS:
            raise NoKeys(silent)
        found = self._held.keys.get(wanted)
        if found is None:
            raise NoKeys(silent) if self._held.has_failed else UnknownKey
        return found

    async def _look(self, wanted: tuple[str, str]) -> None:
        """Has the keys fetched where that is due, once for all who ask meanwhile.

        Whose key is at hand waits for a moment, in which a provider says that it has withdrawn it, and for nothing that
        others have begun: a provider that is slow holds nobody up whom it has nothing new to say of.
        """
        began = None
        while began is None and self._is_due(wanted):
            fetching, is_at_hand = self._fetching, self._has(wanted)
            if fetching is None or fetching.done():
                is_for_unknown = bool(self._held.keys) and wanted not in self._held.keys
                fetching = began = self._fetching = asyncio.create_task(self._refresh(is_for_unknown=is_for_unknown))
            elif is_at_hand:
                return
            await asyncio.wait({fetching}, timeout=PATIENCE_SECONDS if is_at_hand else None)
        if began is not None and began.done():
            began.result()

    def _is_due(self, wanted: tuple[str, str]) -> bool:
        now, held = self._clock(), self._held
        if held.age(now) > USABLE_SECONDS:
            return _is_over(held.tried, now, RETRY_SECONDS)
        if self._has(wanted):
            return held.age(now) > FRESH_SECONDS and _is_over(held.tried, now, PAUSE_SECONDS)
        # A provider may have turned its keys right after the last look: the first unknown name is looked up at once.
        return _is_over(held.sought, now, PAUSE_SECONDS)

    def _has(self, wanted: tuple[str, str]) -> bool:
        return wanted in self._held.keys and self._held.age(self._clock()) <= USABLE_SECONDS

    async def _refresh(self, *, is_for_unknown: bool) -> None:
        keys: Mapping[tuple[str, str], jwt.PyJWK] = {}
        try:
            keys = await self._fetch()
        except (_Unusable, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            _LOG.warning("no keys from %s: %s", self._settings.issuer, str(error) or type(error).__name__)
        now = self._clock()
        held = replace(self._held, keys=keys, fetched=now) if keys else self._held
        self._held = replace(held, tried=now, sought=now if is_for_unknown else held.sought)

    async def _fetch(self) -> dict[tuple[str, str], jwt.PyJWK]:
        issuer, limit = self._settings.issuer, self._settings.timeout_seconds
        local = is_loopback(issuer)
        async with httpx.AsyncClient(
            timeout=limit,
            follow_redirects=False,
            transport=self._transport,
            trust_env=not local,  # no proxy leads to this machine; whom to trust (SSL_CERT_FILE) is asked everywhere
            verify=httpx.create_ssl_context(),
        ) as client:
            try:
                # httpx's own limit is for each step; this one for all, against a server that drips.
                async with asyncio.timeout(2 * limit):
                    found = await _document(client, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                    return _usable(
                        await _document(client, _keys_address(found, self._settings)), self._settings.algorithms
                    )
            except TimeoutError as error:
                raise _Unusable("it takes too long to answer") from error


def _is_over(last: float | None, now: float, pause: float) -> bool:
    return last is None or now - last >= pause


def is_safe(url: str, *, plain_http: bool = False) -> bool:
    """Whether what comes from there cannot be changed on its way, or nobody minds.

    Args:
        url: of the provider; https, or on this machine.
        plain_http: whether the operator takes any other of http for as safe.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # no number, or none that there is
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and (plain_http or is_loopback(url)))
    )


def is_loopback(url: str) -> bool:
    """Whether an address of the web leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _keys_address(found: Mapping[str, Any], settings: OidcSettings) -> str:
    """Where the keys are, as the provider says of itself."""
    if found.get("issuer") != settings.issuer:
        raise _Unusable(f"its discovery document is of issuer {found.get('issuer')!r}")
    address = found.get("jwks_uri")
    if not isinstance(address, str) or not _may_have_keys(address, settings):
        raise _Unusable("its discovery document names no https address of its keys")
    return address


def _may_have_keys(address: str, settings: OidcSettings) -> bool:
    """An address of keys is as safe as the issuer's own, and on this machine only where that is."""
    plain_http = settings.plain_http and urlsplit(settings.issuer).scheme == "http"
    return is_safe(address, plain_http=plain_http) and (is_loopback(settings.issuer) or not is_loopback(address))


async def _document(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    # Uncompressed: the limit is one of what is held in memory.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code != httpx.codes.OK:
            raise _Unusable(f"{url} answers {answer.status_code}")
        body = b""
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) > MAX_BYTES:
                raise _Unusable(f"{url} gives more than {MAX_BYTES} bytes")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _Unusable(f"{url} gives no JSON") from error
    if not isinstance(document, dict):
        raise _Unusable(f"{url} gives no JSON object")
    return document


def _usable(document: Mapping[str, Any], algorithms: tuple[str, ...]) -> dict[tuple[str, str], jwt.PyJWK]:
    """The keys that a token's signature can be checked with."""
    keys: dict[tuple[str, str], jwt.PyJWK] = {}
    given = document.get("keys")
    for each in given if isinstance(given, list) else ():
        for algorithm in algorithms:
            if isinstance(each, dict) and (key := _key(each, algorithm)) is not None:
                keys[str(each["kid"]), algorithm] = key
    if not keys:
        raise _Unusable("none of its keys is one that Daybook takes")
    return keys


def _key(given: Mapping[str, Any], algorithm: str) -> jwt.PyJWK | None:
    """A key of a provider's set, where it is meant for such signatures."""
    kind, curve = _KINDS[algorithm]
    given = {name: value for name, value in given.items() if value is not None}
    uses = given.get("key_ops", ["verify"])
    meant = (
        isinstance(given.get("kid"), str)
        and (given.get("kty"), given.get("crv")) == (kind, curve)
        and given.get("use", "sig") == "sig"
        and given.get("alg", algorithm) == algorithm
        and isinstance(uses, list)
        and "verify" in uses
        and "d" not in given
    )
    if not meant:
        return None
    try:
        key = jwt.PyJWK(given, algorithm)
    except (jwt.PyJWTError, TypeError, ValueError):  # the last two of versions that let cryptography's own through
        return None
    is_short = isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS
    return None if is_short else key
