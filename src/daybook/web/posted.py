"""What a form sends, read within limits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from fastapi import HTTPException
from starlette.requests import Request

MAX_BYTES = 256 * 1024
"""The largest body of a form: some of what can travel in a run's request is three times as long there, escaped."""

MAX_FIELDS = 2_000
"""The most fields of a form or link: a long list of URLs has one for each."""

ONCE = "form.once"
"""The hidden field by which a form that is sent twice, by a double click or by loading anew, makes one run. Each page
that is made holds another text in it."""

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Posted:
    """The fields of a form, each with all its texts, in order."""

    fields: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """The text of a field; empty where it is missing, or there several times."""
        texts = self.fields.get(name, ())
        return texts[0] if len(texts) == 1 else ""

    def same_as(self, user: str | None, *about: str) -> str | None:
        """What makes two posts one: the same page, user and values; None where the form says nothing of its page.

        Args:
            user: who sent it.
            about: what else it is about, where the fields do not say so.
        """
        if not any(self.fields.get(ONCE, ())):
            return None
        told = json.dumps([user, *about, sorted((name, list(texts)) for name, texts in self.fields.items())])
        return hashlib.sha256(told.encode()).hexdigest()

    def without(self, *names: str) -> Posted:
        """The other fields."""
        return Posted({name: texts for name, texts in self.fields.items() if name not in names})


async def read_posted(request: Request) -> Posted:
    """The fields of a form's body.

    Raises:
        HTTPException: 413 for a body that is too large, 415 for one that is no form, 400 for one that cannot be read.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in (_FORM, ""):
        raise HTTPException(415, f"a form must come as {_FORM}")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"the form is larger than {MAX_BYTES // 1024} KiB; nothing was done")
    try:
        return Posted(decoded(body.decode("ascii")))
    except ValueError as error:
        raise HTTPException(400, "the form cannot be read, or has too many fields; nothing was done") from error


def decoded(encoded: str) -> dict[str, list[str]]:
    """The fields of an encoded form or query.

    Raises:
        ValueError: there are too many, or what they hold is no UTF-8.
    """
    fields: dict[str, list[str]] = {}
    pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    for name, text in pairs:
        fields.setdefault(name, []).append(text)
    return fields
