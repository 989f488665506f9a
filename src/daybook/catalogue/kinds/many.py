"""Lists of anything: how their items are checked, counted, read and written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import JsonValue

from daybook.catalogue.constraints import Constraints
from daybook.catalogue.kinds.common import Schema, schema
from daybook.catalogue.values import Refused, read_json, unlike


def many(check: Callable[[object, Constraints], JsonValue]) -> Callable[[object, Constraints], list[JsonValue]]:
    """Return a check of lists whose items pass `check`; it names every bad item with its position."""

    def check_all(value: object, c: Constraints) -> list[JsonValue]:
        if not isinstance(value, list):
            raise unlike("a list", value)
        items, faults = _each(value, lambda item: check(item, c))
        faults = [*_count_faults(len(value), c), *faults]
        if must_differ(c) and len({_identity(item) for item in items}) < len(items):
            faults.append(("", "must not hold the same item twice"))
        if faults:
            raise Refused(*faults)
        return items

    return check_all


def read_many(read: Callable[[str, Constraints], JsonValue]) -> Callable[[Sequence[str], Constraints], JsonValue]:
    """Read a list: its items one by one, or one text that is a JSON array, the only way to spell an empty list."""

    def read_all(texts: Sequence[str], c: Constraints) -> JsonValue:
        if is_array(texts):
            return read_json(texts[0])
        items, faults = _each(texts, lambda text: read(text, c))
        if faults:
            raise Refused(*faults)
        return items

    return read_all


def write_many(value: Sequence[JsonValue], texts: list[str]) -> list[str]:
    """Return the items' texts, or one JSON array where those would be read as something else."""
    return texts if texts and not is_array(texts) else [json.dumps(value)]


def many_schema(items: Schema, c: Constraints) -> Schema:
    """Return the schema of a list of `items`."""
    return schema(
        type="array", items=items, minItems=c.min_items, maxItems=c.max_items, uniqueItems=must_differ(c) or None
    )


def is_array(texts: Sequence[str]) -> bool:
    """Tell whether the texts are one JSON array rather than a list's items."""
    return len(texts) == 1 and texts[0].lstrip().startswith("[")


def must_differ(c: Constraints) -> bool:
    """Tell whether no item may stand twice; an enum of several is a set: naming a choice twice says nothing."""
    return c.unique or c.multiple


def _each(items: Sequence[Any], do: Callable[[Any], JsonValue]) -> tuple[list[JsonValue], list[tuple[str, str]]]:
    done: list[JsonValue] = []
    faults: list[tuple[str, str]] = []
    for position, item in enumerate(items):
        try:
            done.append(do(item))
        except Refused as error:
            faults += [(f"[{position}]{path}", message) for path, message in error.faults]
    return done, faults


def _count_faults(count: int, c: Constraints) -> list[tuple[str, str]]:
    faults = []
    if c.min_items is not None and count < c.min_items:
        faults.append(("", f"must have at least {c.min_items} items, not {count}"))
    if c.max_items is not None and count > c.max_items:
        faults.append(("", f"must have at most {c.max_items} items, not {count}"))
    return faults


def _identity(item: JsonValue) -> str:
    # 1 and 1.0 are one number to JSON.
    return json.dumps(int(item) if isinstance(item, float) and item.is_integer() else item, sort_keys=True)
