"""Digests in the names of images."""

from __future__ import annotations

import re

_DIGEST = re.compile(r"(?:\A|[@/])(sha256:[0-9a-f]{64})\Z")


def image_digest(reference: str | None) -> str | None:
    """The digest that a reference to an image pins, `sha256:` and 64 hex digits; None where it pins none.

    Args:
        reference: `repository@sha256:…` as people and container runtimes write it; of an image that was never in a
            registry, a runtime has but `sha256:…` itself, and Docker puts its own name before either.
    """
    found = _DIGEST.search(reference or "")
    return found[1] if found else None
