"""The claims of a token as `Members` look at them: each by its name, with all its values as texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def flat_claims(content: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Every claim with its values; what is nested, in objects of a list too, by its dotted path."""
    found: dict[str, frozenset[str]] = {}
    for path, values in _flat(content, ""):
        found[path] = found.get(path, frozenset()) | values
    return found


def _flat(content: Mapping[str, Any], above: str) -> Iterator[tuple[str, frozenset[str]]]:
    for name, value in content.items():
        path, values = f"{above}{name}", value if isinstance(value, list) else [value]
        for each in values:
            if isinstance(each, Mapping):
                yield from _flat(each, f"{path}.")
        if not isinstance(value, Mapping):
            yield path, frozenset(_text(each) for each in values if isinstance(each, str | int | float))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
