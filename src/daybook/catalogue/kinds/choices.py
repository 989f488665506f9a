"""Enums: one of some choices, or several of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from daybook.catalogue.constraints import Constraints
from daybook.catalogue.kinds.common import Schema
from daybook.catalogue.kinds.many import many, many_schema, read_many, write_many
from daybook.catalogue.values import one, unlike


def choice_text(value: object) -> str:
    """Return how a link or a form spells a choice."""
    return value if isinstance(value, str) else json.dumps(value)


def same(a: object, b: object) -> bool:
    """Tell whether two choices are one; True == 1 to Python, while to JSON true is no number."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def enum(value: object, c: Constraints) -> JsonValue:
    """Return the choice, or the list of choices, as the catalogue writes them."""
    return many(_choice)(value, c) if c.multiple else _choice(value, c)


def _choice(value: object, c: Constraints) -> JsonValue:
    for choice in c.choices or ():
        if same(choice.value, value):
            found: JsonValue = choice.value
            return found
    raise unlike("one of " + ", ".join(choice_text(choice.value) for choice in c.choices or ()), value)


def read_enum(texts: Sequence[str], c: Constraints) -> JsonValue:
    """Read one choice, or several repeated."""
    return read_many(_read_choice)(texts, c) if c.multiple else _read_choice(one(texts), c)


def _read_choice(text: str, c: Constraints) -> JsonValue:
    return next((choice.value for choice in c.choices or () if choice_text(choice.value) == text), text)


def write_enum(value: Any, c: Constraints) -> list[str]:
    """Return the text of one choice, or of each of several."""
    return write_many(value, [choice_text(item) for item in value]) if c.multiple else [choice_text(value)]


def enum_schema(c: Constraints) -> Schema:
    """Return the schema of an enum; it names a type only where all choices share one."""
    values = [choice.value for choice in c.choices or ()]
    schema: Schema = {"type": "string"} if all(isinstance(value, str) for value in values) else {}
    schema["enum"] = values
    return many_schema(schema, c) if c.multiple else schema


def enum_widgets(c: Constraints) -> tuple[str, ...]:
    """Return the widgets of an enum."""
    return ("multiselect", "checkboxes") if c.multiple else ("select", "radio")
