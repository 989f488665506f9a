"""Shows people their notebooks on JupyterHub's home page.

Runs in the Hub's process and needs nothing but what the Hub brings along. Daybook is asked with the token that the
person logged in with, so that the list holds what they may run and nothing else: the Hub itself may see nothing there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient

SHOWN = 50
"""Notebooks on the home page; Daybook's own pages have them all, with a search."""
KEEP_SECONDS = 5.0
"""How long an answer, also that there is none, counts for the same token."""
TIMEOUT_SECONDS = 2.0
"""The home page waits no longer for Daybook: people come there to start a server."""
MAX_BYTES = 4 * 1024 * 1024
TOLD_BYTES = 1000
"""As much of an answer that is no list as the log repeats."""

TELL_LOG_IN = (
    "The Hub keeps no token of yours that it could ask Daybook with. Log out and in again; if this stays, the Hub's "
    "operator has to let it keep tokens."
)
TELL_LOG_IN_AGAIN = (
    "Daybook does not take your login at the moment. Load this page again in a minute; if this stays, log out and in "
    "again."
)
TELL_SILENT = "Daybook does not answer at the moment. Your servers are not touched by that."
_LOG = logging.getLogger("jupyterhub.daybook")


@dataclass(frozen=True)
class Found:
    """What the home page shows.

    Attributes:
        notebooks: each with `title`, `description`, `workspaces` and `page`.
        more: how many there are besides.
        trouble: why there are none; a sentence for the person who looks.
        catalogue: Daybook's own list.
    """

    notebooks: tuple[dict[str, Any], ...]
    more: int
    trouble: str | None
    catalogue: str


class Notebooks:
    """The notebooks of whoever looks at the home page.

    Args:
        url: where the Hub reaches Daybook, such as `http://airflow-api-server.airflow:8080/notebooks`.
        public_url: where browsers do.
        clock: monotonic seconds.
    """

    def __init__(self, url: str, public_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url.rstrip("/")
        self._public_url = public_url.rstrip("/")
        self._clock = clock
        self._known: dict[str, tuple[float, Found]] = {}

    def for_templates(self, user: Any) -> Callable[[], Awaitable[Found]]:
        """What the Hub calls for each page: nothing is asked until a template does."""
        return partial(self.of, user)

    async def of(self, user: Any) -> Found:
        """The notebooks that a user of the Hub may run; never raises for what Daybook does."""
        token = await token_of(user)
        if token is None:
            return self._trouble(TELL_LOG_IN)
        key = hashlib.sha256(token.encode()).hexdigest()
        now = self._clock()
        self._known = {each: known for each, known in self._known.items() if known[0] > now}
        if key not in self._known:
            self._known[key] = (now + KEEP_SECONDS, await self._ask(token))
        return self._known[key][1]

    async def _ask(self, token: str) -> Found:
        answer = await fetch(f"{self._url}/api/v1/notebooks?limit={SHOWN}", token)
        return self._trouble(TELL_SILENT) if answer is None else self._read(answer)

    def _read(self, answer: HTTPResponse) -> Found:
        if answer.code == 401:
            return self._trouble(TELL_LOG_IN_AGAIN)
        if answer.code != 200:
            return self._trouble(TELL_SILENT)
        try:
            found = json.loads(answer.body)
            shown = tuple(self._row(each) for each in found["notebooks"][:SHOWN])
            return Found(shown, max(0, int(found["total"]) - len(shown)), None, f"{self._public_url}/")
        except (ValueError, KeyError, TypeError) as error:
            _LOG.warning("Daybook answers something that is no list of notebooks: %r", error)
            return self._trouble(TELL_SILENT)

    def _row(self, given: dict[str, Any]) -> dict[str, Any]:
        # The link is made here: what an answer says never leads people elsewhere.
        return {
            "title": str(given["title"]),
            "description": str(given.get("description", "")),
            "workspaces": [str(each) for each in given.get("workspaces", ())],
            "page": f"{self._public_url}/run/{quote(str(given['id']), safe='')}",
        }

    def _trouble(self, text: str) -> Found:
        return Found((), 0, text, f"{self._public_url}/")


async def token_of(user: Any) -> str | None:
    """The token that a user of the Hub logged in with; None where the Hub keeps none."""
    token = ((await user.get_auth_state()) or {}).get("access_token") if user else None
    return token if isinstance(token, str) and token else None


async def fetch(url: str, token: str) -> HTTPResponse | None:
    """What Daybook answers to a person; None where it does not."""
    request = HTTPRequest(
        url,
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        connect_timeout=TIMEOUT_SECONDS,
        request_timeout=TIMEOUT_SECONDS,
        follow_redirects=False,  # the token is for Daybook alone
    )
    client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=MAX_BYTES)
    try:
        answer = await client.fetch(request, raise_error=False)
    except (HTTPClientError, OSError) as error:
        _LOG.warning("Daybook does not answer: %s", error)
        return None
    finally:
        client.close()
    if answer.code != 200:
        # Daybook says what is wrong with a token, such as whom it should be meant for: that is for the Hub's operator.
        told = (answer.body or b"")[:TOLD_BYTES].decode(errors="replace")
        _LOG.warning("Daybook answers %s: %s", answer.code, told or answer.error or answer.reason)
    return answer


def configure(c: Any, url: str, public_url: str | None = None) -> None:
    """Puts the list on the home page.

    Args:
        c: the Hub's configuration, as `jupyterhub_config.py` knows it.
        url: where the Hub reaches Daybook's pages.
        public_url: where browsers do; the same by default.
    """
    c.Authenticator.enable_auth_state = True
    c.JupyterHub.template_paths.insert(0, str(Path(__file__).parent / "templates"))
    c.JupyterHub.template_vars.update({"daybook": Notebooks(url, public_url or url).for_templates})
