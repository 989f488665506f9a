"""The token with which a scraper reads the metrics of all workspaces."""

from __future__ import annotations

import hmac
from pathlib import Path

from starlette.requests import Request

from daybook.contract.errors import Fault, InvalidSettings
from daybook.web.tokens.bearer import bearer_of

MIN_CHARACTERS = 16
"""What is shorter can be guessed."""


def is_scraper(request: Request, file: Path | None) -> bool:
    """Whether a request carries the token that a file holds now.

    Raises:
        InvalidSettings: the file is not as it must be.
    """
    given = bearer_of(request.headers)
    if file is None or given is None:
        return False
    return hmac.compare_digest(given.encode(errors="replace"), read_token(file).encode())


def read_token(file: Path) -> str:
    """The token in a file, without blanks around it.

    Raises:
        InvalidSettings: the file cannot be read, or holds too little.
    """
    try:
        token = file.read_text().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise InvalidSettings("no token for scrapers", [Fault(str(file), str(reason))]) from error
    if len(token) < MIN_CHARACTERS:
        raise InvalidSettings(
            "no token for scrapers", [Fault(str(file), f"must hold {MIN_CHARACTERS} characters or more")]
        )
    return token
