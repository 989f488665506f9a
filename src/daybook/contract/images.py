"""The names of images: what is one, and which digest it pins."""

from __future__ import annotations

import re

_DIGEST = re.compile(r"(?:\A|[@/])(sha256:[0-9a-f]{64})\Z")
_MAX_CHARACTERS = 512
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)


def image_digest(reference: str | None) -> str | None:
    """The digest that a reference to an image pins, `sha256:` and 64 hex digits; None where it pins none.

    Args:
        reference: `repository@sha256:…` as people and container runtimes write it; of an image that was never in a
            registry, a runtime has but `sha256:…` itself, and Docker puts its own name before either.
    """
    found = _DIGEST.search(reference or "")
    return found[1] if found else None


def is_image_reference(text: str) -> bool:
    """Whether a text names an image as container runtimes read it: registry, path, tag, digest, and nothing odd.

    The grammar is that of the distribution project's `reference` package. It has no `..`, no empty part of a path, no
    spaces: what a pattern is held against means to the runtime what it looks like.
    """
    return len(text) <= _MAX_CHARACTERS and _REFERENCE.fullmatch(text) is not None
