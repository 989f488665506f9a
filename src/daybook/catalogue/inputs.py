"""Inputs of a notebook, and the one way from what was given to what the notebook gets.

Every trigger (Airflow's form and API, a link, the command line, a schedule, a batch) goes through `resolve`.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from enum import Enum
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, StrictBool, model_validator

from daybook.catalogue.checks import input_faults
from daybook.catalogue.constraints import Constraints
from daybook.catalogue.fragments import takes_null
from daybook.catalogue.model import AnyJson, several
from daybook.catalogue.suggest import did_you_mean
from daybook.catalogue.types import TYPES, InputType
from daybook.catalogue.values import Refused, as_json, one, read_json, refused, unlike
from daybook.contract.errors import Fault, InvalidRequest

MAX_NAME_CHARACTERS = 64
"""Characters in an input's name: what a form, a table and a file name still show whole."""

RESERVED_NAMES = frozenset({"workspace", "notebook", "parameters", "run_settings", "csrf", "daybook_voucher"})
"""Names that a request, or a form that makes one, already has a meaning for."""

Source = Literal["json", "query", "form"]
"""Where given values come from: JSON keeps its types; a link and a form hold one or more texts for each name."""


def name_fault(name: object) -> str | None:
    """Return why `name` cannot name an input, or None.

    A parameter's name is written into the notebook as code, so only a plain identifier will do.
    """
    if not isinstance(name, str):
        return "is not a text"
    if name in RESERVED_NAMES:
        return f"is reserved ({', '.join(sorted(RESERVED_NAMES))} are); choose another name"
    if name.startswith("_") or name.lower().startswith("daybook"):
        return "must not begin with _ or daybook, which belong to the runner"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        return "must be letters, digits and _, beginning with a letter"
    if keyword.iskeyword(name):
        return "is a word of Python; choose another name"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"must have at most {MAX_NAME_CHARACTERS} characters"
    return None


class InputSpec(Constraints):
    """An input as a catalogue file describes it, without its name.

    An input without a default is required, unless `required: false` leaves its value to the notebook.
    """

    type: str = Field(description="The type of the value.", json_schema_extra={"enum": list(TYPES)})
    title: str | None = Field(None, description="What a form shows in place of the name.")
    description: str = Field("", description="What the input means, and its unit.")
    default: AnyJson = Field(None, description="The value when none is given; null if the notebook takes None.")
    required: StrictBool | None = Field(
        None, description="Whether a value must be given; by default, yes without a default."
    )
    example: AnyJson = Field(None, description="A value that would do, shown beside an empty field.")
    advanced: StrictBool = Field(False, description="Whether a form hides it at first.")
    widget: str | None = Field(None, description="The form element that shows it, if not the type's usual one.")
    short_form: ClassVar[dict[str, Any] | None] = {"enum": list(TYPES)}

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"type": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        faults = input_faults(self)
        if faults:
            raise several(faults)
        for name in {"default", "example"} & self.model_fields_set:
            if getattr(self, name) is not None:
                # Kept in canonical form, so that forms, records and notebooks see the same value.
                object.__setattr__(self, name, self.kind.from_json(getattr(self, name), self))
        return self

    @property
    def kind(self) -> InputType:
        """The definition of its type."""
        return TYPES[self.type]

    @property
    def has_default(self) -> bool:
        """Whether a default, null among them, is filled in when no value is given."""
        return "default" in self.model_fields_set

    @property
    def nullable(self) -> bool:
        """Whether null is one of its values: its default is null, or its own schema takes it."""
        if self.has_default and self.default is None:
            return True
        return self.type == "schema" and takes_null(self.fragment or {})

    @property
    def is_required(self) -> bool:
        """Whether a value must be given."""
        return not self.has_default if self.required is None else self.required

    @property
    def left_to_notebook(self) -> bool:
        """Whether nothing is injected when no value is given: the default stands in the notebook alone."""
        return not self.is_required and not self.has_default

    @property
    def shown_by(self) -> str:
        """The form element that shows it."""
        return self.widget or self.kind.widgets(self)[0]


class Input(InputSpec):
    """One typed input of a notebook."""

    name: str = Field(description="The name of the notebook's variable.")

    @model_validator(mode="after")
    def _named(self) -> Self:
        fault = name_fault(self.name)
        if fault:
            raise several([(("name",), f"'{self.name}' {fault}")])
        return self

    @classmethod
    def named(cls, name: str, spec: InputSpec) -> Input:
        """Return an input from a description that has been validated and a name that `name_fault` lets pass."""
        return cls.model_construct(_fields_set=spec.model_fields_set | {"name"}, name=name, **spec.__dict__)


def resolve(
    inputs: Iterable[Input],
    given: Mapping[str, Any],
    source: Source = "json",
    *,
    open_names: bool = False,
    what: str = "The notebook",
) -> dict[str, JsonValue]:
    """Return the parameters a notebook gets: what was given, typed, and defaults for the rest.

    Args:
        inputs: what the notebook takes.
        given: values by name; with `query` and `form` each is a text or a list of texts. In a form an empty text is
            no value. JSON null is no value where the notebook keeps the default itself.
        source: how the values are spelled.
        open_names: names that are not among the inputs are let through with any JSON value (see `Notebook`).
        what: the subject of the message.

    Raises:
        InvalidRequest: the values do not fit; every fault is named.
    """
    summary = f"{what} cannot run with these parameters"
    if not isinstance(given, Mapping):
        raise InvalidRequest(summary, [Fault("parameters", str(unlike("an object", given)))])
    known = {item.name: item for item in inputs}
    faults: list[Fault] = []
    values: dict[str, JsonValue] = {}
    for name in [*known, *(name for name in given if name not in known)]:
        try:
            if name in known:
                value = _value_of(known[name], given, source)
            elif open_names:
                value = _open_value(name, given, source)
            else:
                raise refused("is not an input of this notebook" + _hint(name, known))
        except Refused as error:
            faults += [Fault(f"{name}{path}", message) for path, message in error.faults]
            continue
        if not isinstance(value, _Absent):
            values[name] = value
    if faults:
        raise InvalidRequest(summary, faults)
    return values


class _Absent(Enum):
    ABSENT = "absent"


def _value_of(item: Input, given: Mapping[str, Any], source: Source) -> JsonValue | _Absent:
    found = _given(given, item.name, source)
    if found is None and item.is_required and not item.nullable:
        raise refused(f"is required: {item.kind.noun}")  # a form whose field was left empty
    if found is _Absent.ABSENT or (found is None and item.left_to_notebook):
        if item.is_required:
            raise refused(f"is required: {item.kind.noun}")
        default: JsonValue = deepcopy(item.default)  # a caller may change the list it gets
        return default if item.has_default else _Absent.ABSENT
    if source == "query":
        return item.kind.from_query(found, item)
    if source == "form":
        return item.kind.from_form(found, item)
    return None if found is None and item.nullable else item.kind.from_json(found, item)


def _open_value(name: object, given: Mapping[Any, Any], source: Source) -> JsonValue | _Absent:
    fault = name_fault(name)
    if fault:
        raise refused(fault)
    found = _given(given, str(name), source)
    if isinstance(found, _Absent):
        return found
    return as_json(found if source == "json" else read_json(one(found)))


def _hint(name: object, known: Iterable[str]) -> str:
    return did_you_mean(str(name), known, otherwise="its inputs are") or "; it takes none"


def _given(given: Mapping[str, Any], name: str, source: Source) -> Any:
    """Return the JSON value or the list of texts that stands under a name."""
    if name not in given:
        return _Absent.ABSENT
    found = given[name]
    if source == "json":
        return found
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        raise refused("must be a text or a list of texts")
    texts = [text for text in texts if text or source == "query"]
    return texts or _Absent.ABSENT


def to_query(inputs: Iterable[Input], values: Mapping[str, JsonValue]) -> dict[str, list[str]]:
    """Return the texts of a link that `resolve(…, "query")` turns into exactly these parameters again.

    Args:
        inputs: what the notebook takes.
        values: parameters as `resolve` returned them; names beyond the inputs are written as JSON.
    """
    known = {item.name: item for item in inputs}
    query: dict[str, list[str]] = {}
    for name, value in values.items():
        item = known.get(name)
        if item is None:
            query[name] = [json.dumps(value)]
        elif value is not None or item.type == "schema":
            query[name] = item.kind.write_query(value, item)
        # None is otherwise the default of this input, which nothing stands for.
    return query


def input_schema(item: InputSpec) -> dict[str, Any]:
    """Return the JSON Schema of one input's values, with its title, description, default and example."""
    schema = item.kind.json_schema(item)
    if (item.nullable and item.type != "schema") or item.left_to_notebook:
        schema = {"anyOf": [schema, {"type": "null"}]}
    notes: dict[str, Any] = {}
    if item.title:
        notes["title"] = item.title
    if item.description:
        notes["description"] = item.description
    if item.has_default:
        notes["default"] = item.default
    if item.example is not None:
        notes["examples"] = [item.example]
    return {**notes, **schema}


def json_schema(inputs: Iterable[Input], *, open_names: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of a notebook's parameters as one object."""
    inputs = tuple(inputs)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {item.name: input_schema(item) for item in inputs},
        "required": [item.name for item in inputs if item.is_required],
        "additionalProperties": open_names,
    }
