"""In which region a bucket is, as S3 tells whoever asks in the wrong one."""

from __future__ import annotations

import re

LOOK_SECONDS = 5.0
"""How long the one look may take; it only makes an error's message better."""
_HEADER = "x-amz-bucket-region"
_NAMED = re.compile(r"<Region>([a-z0-9-]+)</Region>|expecting '([a-z0-9-]+)'")
_ASKED = re.compile(r"Error performing \w+ (https?://\S+) in ")


def region_of(text: str) -> str | None:
    """The bucket's region, from an error of obstore about a wrong one; None where nobody tells.

    obstore keeps nothing of a redirect, so the same address is looked at once more, without credentials: AWS puts the
    region into each answer.
    """
    named = _NAMED.search(text)
    if named:
        return named[1] or named[2]
    asked = _ASKED.search(text)
    return _looked_up(asked[1]) if asked else None


def _looked_up(url: str) -> str | None:
    import httpx

    try:
        headers = httpx.head(url, timeout=LOOK_SECONDS).headers
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    return str(headers[_HEADER]) if _HEADER in headers else None
