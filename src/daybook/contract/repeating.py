"""From a run's record to the values that make it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.manifest import Manifest

MARKS = ("[redacted]", "[hidden]", "[***]")
"""By which a reader of a record knows that a secret was taken out."""


def given_values(old: Manifest) -> dict[str, Any]:
    """The values of a run, with its references to secrets among them.

    Raises:
        InvalidRequest: a value is not in the record, for it held a secret.
    """
    faults = [
        Fault(name, "held a secret, which the record does not keep; run the notebook anew and give it")
        for name in redacted_names(old)
    ]
    if faults:
        raise InvalidRequest(f"run {old.run_id} cannot be made again by its record", faults)
    return {**old.parameters, **old.secrets}


def redacted_names(old: Manifest) -> list[str]:
    """The parameters whose values are not in the record, for they held a secret."""
    return [
        name for name, value in old.parameters.items() if any(mark in text for text in _texts(value) for mark in MARKS)
    ]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(key)
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
