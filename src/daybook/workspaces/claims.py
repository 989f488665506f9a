"""The claims of a token as `Members` look at them: each by its name, with all its values as texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def flat_claims(content: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Every claim with its values; what is nested by its dotted path."""
    return dict(_flat(content, ""))


def _flat(content: Mapping[str, Any], above: str) -> Iterator[tuple[str, frozenset[str]]]:
    for name, value in content.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        else:
            values = value if isinstance(value, list) else [value]
            yield path, frozenset(_text(each) for each in values if isinstance(each, str | int | float))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
