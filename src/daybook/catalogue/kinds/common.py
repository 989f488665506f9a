"""What several kinds share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from daybook.catalogue.constraints import Constraints
from daybook.catalogue.values import Refused, one, read_json

Schema = dict[str, Any]


def schema(**members: Any) -> Schema:
    """Return a JSON Schema without the members that are None."""
    return {key: value for key, value in members.items() if value is not None}


def refuse_if(faults: Sequence[str]) -> None:
    """Raise `Refused` with every fault, if there are any."""
    if faults:
        raise Refused(*(("", fault) for fault in faults))


def one_text(texts: Sequence[str], _: Constraints) -> str:
    """Read a type whose JSON is the text itself."""
    return one(texts)


def as_text(value: Any, _: Constraints) -> list[str]:
    """Write a type whose JSON is the text itself."""
    return [value]


def json_text(texts: Sequence[str], _: Constraints) -> JsonValue:
    """Read a type that links and forms spell as JSON."""
    return read_json(one(texts))
