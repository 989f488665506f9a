"""What narrows an input: the limits, choices and patterns its values must keep to."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator, StrictBool, StrictInt, WithJsonSchema, model_validator

from daybook.catalogue.model import AnyJson, Number, Strict, Texts
from daybook.catalogue.values import Refused, finite, storable

DEFAULT_SCHEMES = ("http", "https", "s3", "gs", "file")
"""URL schemes an input takes unless it names its own: those that a notebook's usual libraries read."""

Count = Annotated[StrictInt, Field(ge=0)]


def _scalar(value: object) -> object:
    try:
        if isinstance(value, str):
            storable(value)
        elif isinstance(value, float):
            finite(value)
        elif not isinstance(value, bool | int):
            raise Refused(("", "must be a text, a number, true or false"))
    except Refused as error:
        raise ValueError(error.faults[0][1]) from None
    return value


def _pattern(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be a regular expression in quotes")
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return value


class Choice(Strict):
    """One value of an enum, and what people read in its place."""

    value: Annotated[Any, PlainValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})]
    label: str | None = Field(None, description="What people read in place of the value.")
    short_form: ClassVar[dict[str, Any] | None] = {"type": ["string", "number", "boolean"]}

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return data if isinstance(data, dict | Choice) else {"value": data}


class Constraints(Strict):
    """The limits of one value; which of them an input may name depends on its type.

    The keys that JSON Schema has too are spelled as there, and mean the same.
    """

    minimum: Number | None = Field(None, description="Smallest value allowed.")
    maximum: Number | None = Field(None, description="Largest value allowed.")
    exclusive_minimum: Number | None = Field(None, alias="exclusiveMinimum", description="Values must be above this.")
    exclusive_maximum: Number | None = Field(None, alias="exclusiveMaximum", description="Values must be below this.")
    min_length: Count | None = Field(None, alias="minLength", description="Fewest characters.")
    max_length: Count | None = Field(None, alias="maxLength", description="Most characters.")
    pattern: Annotated[str, PlainValidator(_pattern), WithJsonSchema({"type": "string", "format": "regex"})] | None = (
        Field(None, description="A regular expression that must be found in the text; anchor it with ^ and $.")
    )
    choices: tuple[Choice, ...] | None = Field(None, description="The values of an enum, each plain or with a label.")
    multiple: StrictBool = Field(False, description="An enum takes a list of its choices instead of one.")
    min_items: Count | None = Field(None, alias="minItems", description="Fewest items in a list.")
    max_items: Count | None = Field(None, alias="maxItems", description="Most items in a list.")
    unique: StrictBool = Field(False, description="No item may stand in the list twice.")
    earliest: str | None = Field(None, description="First date or date and time allowed.")
    latest: str | None = Field(None, description="Last date or date and time allowed.")
    items: Items | None = Field(None, description="What a list holds: a type's name, or a type with its limits.")
    fragment: Annotated[dict[str, AnyJson] | None, Field(alias="schema")] = Field(
        None, description="A JSON Schema (2020-12) that the value must match; only local references."
    )
    schemes: Texts | None = Field(
        None, description=f"URL schemes allowed; {', '.join(DEFAULT_SCHEMES)} when not given."
    )


class Items(Constraints):
    """What each item of a list is."""

    type: str
    short_form: ClassVar[dict[str, Any] | None] = {"type": "string"}

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"type": data} if isinstance(data, str) else data


Constraints.model_rebuild()
