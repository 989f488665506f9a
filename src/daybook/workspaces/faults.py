"""Several faults out of one validator, each with its place."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Place = tuple[str | int, ...]


def raise_all(faults: Iterable[tuple[Place, str]]) -> None:
    """Raises every fault at once, where there is one; pydantic puts the validator's own place before each.

    Raises:
        pydantic.ValidationError: with a line for each.
    """
    found = [
        InitErrorDetails(type=PydanticCustomError("daybook", "{text}", {"text": text}), loc=place, input=None)
        for place, text in faults
    ]
    if found:
        raise ValidationError.from_exception_data("Workspace", found)
