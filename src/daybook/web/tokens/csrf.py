"""Posts of our own forms, told apart from those that other sites have a browser make."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException
from starlette.requests import Request

from daybook.web.site import Here, User
from daybook.workspaces import Identity

FIELD = "csrf"
"""The hidden field of a form."""
_REFUSED = "this form is not one that you were given today; load the page anew and try again"


class Csrf:
    """Makes and knows the tokens of forms: of one user, good for the day they were made and the next.

    Args:
        key: of this installation; without one there are no tokens, and every post is refused.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, user: Identity) -> str:
        """A token for somebody's forms; empty where there is no key."""
        return self._made(user, _today()) if self._key else ""

    def is_good(self, user: Identity, token: str) -> bool:
        """Whether a token was made for this user, today or yesterday."""
        days = (_today(), _today() - timedelta(days=1))
        return bool(self._key) and any(
            hmac.compare_digest(self._made(user, day).encode(), token.encode("utf-8", "replace")) for day in days
        )

    def _made(self, user: Identity, day: date) -> str:
        return hmac.new(self._key, f"csrf\n{day}\n{user.user or ''}".encode(), hashlib.sha256).hexdigest()


async def require_safe(request: Request, site: Here, user: User) -> None:
    """Refuses a post that no form of ours has made."""
    if not _is_from_here(request, site.world.settings.public_url):
        raise HTTPException(403, _REFUSED)
    form = await request.form()
    token = form.get(FIELD)
    if not isinstance(token, str) or not site.csrf.is_good(user, token):
        raise HTTPException(403, _REFUSED)


SafePost = Annotated[None, Depends(require_safe)]


def _is_from_here(request: Request, public_url: str) -> bool:
    """Whether the browser says that one of our pages has sent it; a program that says nothing needs the token all the
    same."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    if origin is None:
        return True
    return urlsplit(origin).netloc in {request.headers.get("host", ""), urlsplit(public_url).netloc} - {""}


def _today() -> date:
    return datetime.now(UTC).date()
