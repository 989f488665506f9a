"""What a field says of its input: the default as texts, and hints in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from daybook.catalogue import Input
from daybook.web.words import value_for_people

_MAX_SHOWN = 80
"""Characters of a default that a hint repeats."""


def text_of(item: Input, value: Any) -> list[str]:
    """A value's texts; none for None."""
    return [] if value is None else item.kind.write_query(value, item)


def hints_of(item: Input, widget: str) -> list[str]:
    """What helps to fill a field in."""
    return [*_kind(item, widget), *_limits(item), *_example(item), *_empty(item, widget)]


def _kind(item: Input, widget: str) -> Iterator[str]:
    if item.type == "secret":
        yield "The name of a key in the workspace's secret, never the secret itself"
    elif widget == "datetime":
        yield "In UTC"
    elif widget == "json":
        yield "As JSON"
    elif widget == "bbox":
        yield "In degrees; a box whose west is above its east crosses the antimeridian"
    elif widget == "lines" and item.items is not None:
        yield f"Each {item.items.type if item.items.type != 'string' else 'text'} in a field of its own"


def _limits(item: Input) -> Iterator[str]:
    low = _first(("at least", item.minimum), ("above", item.exclusive_minimum), ("not before", item.earliest))
    high = _first(("at most", item.maximum), ("below", item.exclusive_maximum), ("not after", item.latest))
    if low or high:
        yield _sentence(" and ".join(each for each in (low, high) if each))
    if item.min_length and item.min_length > 1:
        yield f"At least {item.min_length} characters"
    if item.max_length is not None:
        yield f"At most {item.max_length} characters"
    if item.pattern is not None:
        yield f"Must match {item.pattern}"
    if item.min_items or item.max_items is not None:
        yield _count(item.min_items or 0, item.max_items)
    if item.items is not None and item.items.choices:
        yield f"Of {', '.join(str(each.value) for each in item.items.choices)}"


def _first(*limits: tuple[str, Any]) -> str:
    return next((f"{words} {_shown(limit)}" for words, limit in limits if limit is not None), "")


def _shown(limit: Any) -> str:
    return f"{limit:.15g}" if isinstance(limit, float) else str(limit)


def _count(least: int, most: int | None) -> str:
    if most is None:
        return f"At least {least}"
    return f"At most {most}" if not least else f"{least} to {most}" if least != most else f"Exactly {least}"


def _example(item: Input) -> Iterator[str]:
    if item.example is not None:
        yield f"Such as {_short(item, item.example)}"


def placeholder_of(item: Input, widget: str) -> dict[str, str]:
    """The default, to be seen where a field is emptied: it is what counts then."""
    if widget in ("text", "textarea", "number", "json") and _has_something(item):
        return {"placeholder": _short(item, item.default)}
    return {}


def _has_something(item: Input) -> bool:
    return item.has_default and item.default not in (None, "", [], {})


def _empty(item: Input, widget: str) -> Iterator[str]:
    if widget in ("checkbox", "radio", "checkboxes", "lines") or item.choices:
        return
    if widget in ("date", "datetime", "bbox") and _has_something(item):
        yield f"Empty means {_short(item, item.default)}"
    elif item.left_to_notebook:
        yield "Empty leaves it to the notebook"


def _short(item: Input, value: Any) -> str:
    texts = text_of(item, value)
    text = texts[0] if len(texts) == 1 else value_for_people(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
