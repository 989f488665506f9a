"""The base of the catalogue's models, and how what is wrong with one is told in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError

from daybook.catalogue.suggest import did_you_mean

Path = tuple[str | int, ...]
"""Where in a document: keys and positions from its root."""

FoundFault = tuple[Path, str]
"""A place in a document and what is wrong there."""


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    short_form: ClassVar[dict[str, Any] | None] = None
    """JSON Schema of what a file may write in place of the mapping; a `before` validator turns it into one."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Let the published schema take the short form too."""
        reference = handler(core)
        if cls.short_form is not None:
            definition = handler.resolve_ref_schema(reference)
            full = dict(definition)
            definition.clear()
            definition["anyOf"] = [cls.short_form, full]
        return reference

    @classmethod
    def keys(cls) -> list[str]:
        """Return the keys as a file spells them."""
        return [field.alias or name for name, field in cls.model_fields.items()]


def several(faults: Iterable[FoundFault]) -> PydanticCustomError:
    """Return one error for a model validator to raise that carries several faults, each with its own place."""
    found = list(faults)
    text = "; ".join(f"{'.'.join(map(str, path))} {message}".strip() for path, message in found)
    return PydanticCustomError("daybook", "{text}", {"text": text, "faults": found})


def told(error: ValidationError, model_at: Callable[[Path], type[Strict] | None]) -> list[FoundFault]:
    """Turn pydantic's account of what is wrong into places and plain sentences.

    Args:
        error: what pydantic raised.
        model_at: the model that describes the mapping at a path, for the keys it knows.
    """
    faults: list[FoundFault] = []
    for item in error.errors(include_url=False):
        path: Path = tuple(item["loc"])
        if item["type"] == "daybook":
            faults += [((*path, *inner), message) for inner, message in item["ctx"]["faults"]]
        elif item["type"] == "extra_forbidden":
            model = model_at(path[:-1])
            hint = did_you_mean(str(path[-1]), model.keys(), otherwise="the keys are") if model else ""
            faults.append((path, f"is not a known key{hint}"))
        else:
            faults.append((path, _plain(item["type"], item["msg"])))
    return faults


def _plain(kind: str, message: str) -> str:
    if kind in _PLAIN:
        return _PLAIN[kind]
    message = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return message[0].lower() + message[1:]


_PLAIN = {
    "missing": "is missing",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "string_type": "must be a text; a number or true needs quotes to be one",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
}


def matching(pattern: str, wanted: str) -> AfterValidator:
    """Return a validator of whole texts; `wanted` ends the sentence "must be …"."""
    whole = re.compile(pattern)

    def check(text: str) -> str:
        if not whole.fullmatch(text):
            raise ValueError(f"must be {wanted}, not '{text}'")
        return text

    return AfterValidator(check)


def _number(value: object) -> object:
    # A bool is an int to Python, and "5" a number to pydantic; to a person who writes a limit neither is.
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == float("inf"):
        raise ValueError("must be a finite number")
    return value


def _texts(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Sequence) or not all(isinstance(item, str) and item for item in value):
        raise ValueError("must be a list of texts")
    return tuple(value)


Number = Annotated[float, PlainValidator(_number), WithJsonSchema({"type": "number"})]
_LIST_OF_TEXTS = {"type": "array", "items": {"type": "string", "minLength": 1}}
Texts = Annotated[
    tuple[str, ...], PlainValidator(_texts), WithJsonSchema({"anyOf": [{"type": "string"}, _LIST_OF_TEXTS]})
]
AnyJson = Annotated[Any, WithJsonSchema({})]
