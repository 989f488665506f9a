"""Texts, and the names of secrets."""

from __future__ import annotations

import re
from collections.abc import Sequence

from daybook.catalogue.constraints import Constraints
from daybook.catalogue.kinds.common import Schema, refuse_if, schema
from daybook.catalogue.values import one, refused, shown, storable, unlike

KEY_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}"
"""What a key of a Kubernetes Secret may look like, without the leading dot or dash that paths and options give a
meaning of their own."""


def string(value: object, c: Constraints) -> str:
    """Return a text that keeps to its length and pattern."""
    if not isinstance(value, str):
        raise unlike("a text", value)
    storable(value)
    faults = []
    if c.min_length is not None and len(value) < c.min_length:
        faults.append(f"must have at least {c.min_length} characters, not {len(value)}")
    if c.max_length is not None and len(value) > c.max_length:
        faults.append(f"must have at most {c.max_length} characters, not {len(value)}")
    if c.pattern is not None and not re.search(c.pattern, value):
        faults.append(f"must match {c.pattern}, which {shown(value)} does not")
    refuse_if(faults)
    return value


def string_schema(c: Constraints) -> Schema:
    """Return the schema of a text."""
    return schema(type="string", minLength=c.min_length, maxLength=c.max_length, pattern=c.pattern)


def form_string(texts: Sequence[str], _: Constraints) -> str:
    """Read a text field; browsers end the lines of a text area with CR LF."""
    return one(texts).replace("\r\n", "\n")


def secret(value: object, _: Constraints) -> str:
    """Return the name of a key in the workspace's secret."""
    # The value is not repeated: somebody may have given the secret itself.
    if not isinstance(value, str) or not re.fullmatch(KEY_NAME, value):
        raise refused(
            "must be the name of a key in the workspace's secret, never the secret itself: "
            "letters, digits, '_', '-' and '.', beginning with a letter, digit or '_', at most 253"
        )
    return value
