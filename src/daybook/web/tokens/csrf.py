"""Forms that only our own pages can send: a token in each, and a look at where the browser says it comes from.

A browser sends its cookie with whatever page makes it post. So what a browser posts must carry the token that a page of
ours held, and come from our own origin. A program with a bearer token needs neither.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException
from starlette.requests import Request

from daybook.contract.variables import PUBLIC_URL_VARIABLE
from daybook.web.posted import Posted, read_posted
from daybook.web.site import Here, User
from daybook.web.tokens.bearer import is_of_program
from daybook.workspaces import Identity

FIELD = "csrf"
"""The hidden field's name; inputs of notebooks cannot be called so."""

DAY_SECONDS = 24 * 3600

KEY_BYTES = 32

_RANDOM_CHARACTERS = 16

_PORTS = {"http": 80, "https": 443}

_LOG = logging.getLogger(__name__)


class Csrf:
    """Makes and knows the tokens of forms: a random text, and an HMAC over it, the user and the day.

    One is good on its day and the next. No two are alike: pages are compressed, and their lengths would in time tell of
    one that stays (BREACH).

    Args:
        key: of this installation alone. Without one a random one is made, which no other process knows: a form that is
            posted to another one is refused then.
        clock: seconds since 1970.
    """

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        if not key:
            _LOG.warning("Daybook's pages have no key: forms work only where a single process serves them")
        self._key = key or secrets.token_bytes(KEY_BYTES)
        self._clock = clock

    def token(self, user: Identity) -> str:
        """What a form of this user's holds in its field `csrf`."""
        return self._of(user, self._today(), secrets.token_hex(_RANDOM_CHARACTERS // 2))

    def check(self, user: Identity, token: str) -> bool:
        """Whether a token was made for this user, today or yesterday."""
        given, random = token.encode(errors="replace"), token[:_RANDOM_CHARACTERS]
        days = (self._today(), self._today() - 1)
        return any(hmac.compare_digest(given, self._of(user, day, random).encode(errors="replace")) for day in days)

    def _today(self) -> int:
        return int(self._clock() // DAY_SECONDS)

    def _of(self, user: Identity, day: int, random: str) -> str:
        # The day comes first and holds no colon, and the random text is of one length: no two of them read alike.
        text = f"daybook csrf:{day}:{random}:{user.user or ''}"
        return random + hmac.new(self._key, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


async def safe_post(request: Request, site: Here, user: User) -> Posted:
    """The fields of a post that this user meant to send; `csrf` is no more among them.

    Raises:
        HTTPException: 403 where nobody can tell that they did; what was sent is kept nowhere. 413, 415, 400 as
            `read_posted` does.
    """
    if is_of_program(request.headers):
        return (await read_posted(request)).without(FIELD)
    if not is_from_here(request, site.world.settings.public_url):
        raise HTTPException(403, "this came from another site, so nothing was done; use Daybook's own page")
    posted = await read_posted(request)
    if not site.csrf.check(user, posted.one(FIELD)):
        raise HTTPException(
            403, "this page is not yours, or was open for more than a day, so nothing was done; load it again and retry"
        )
    return posted.without(FIELD)


SafePost = Annotated[Posted, Depends(safe_post)]
"""The posted fields of a route that changes something."""


def is_from_here(request: Request, public_url: str) -> bool:
    """Whether the browser says that a page of ours sent this; one that says nothing of it is not believed.

    Behind a proxy the host that Airflow sees may be another one than the browser's: Daybook's public URL counts too.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin"):
        return False
    if origin is None:
        return site is not None
    place = _place(origin)
    is_ours = place is not None and place in _our_places(request, public_url)
    if site is not None and not is_ours:
        # The browser knows that it asked the very server that its page came from: a proxy gave us another name of it.
        _LOG.warning(
            "a page of ours at %.200r was refused, for we are asked as %.200r: where a proxy changes the host, set %s",
            origin,
            request.headers.get("host", ""),
            PUBLIC_URL_VARIABLE,
        )
    return is_ours


def _our_places(request: Request, public_url: str) -> Iterator[tuple[str, str, int] | None]:
    # A proxy that ends TLS leaves http to Airflow, so of its own host only name and port are compared.
    yield from (_place(f"{scheme}://{request.headers.get('host', '')}") for scheme in ("http", "https"))
    if public_url:
        yield _place(public_url)


def _place(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no origin, such as `null`."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname and port else None
