"""The input types, each defined once: JSON Schema, readers, writer, widgets, and the value the notebook gets.

A value travels as text (a link, a form) or as JSON (Airflow's conf, the command line). `read_query` and `read_form`
only turn texts into JSON; `from_json` alone decides what is allowed and returns the canonical value, so that every
trigger is held to the same rules. Canonical values are plain JSON: any kernel's language can hold them as literals.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import JsonValue

from daybook.catalogue.constraints import Constraints
from daybook.catalogue.fragments import embedded, fitting
from daybook.catalogue.kinds import choices, dates, numbers, places, text
from daybook.catalogue.kinds.common import Schema, as_text, json_text, one_text
from daybook.catalogue.kinds.many import is_array, many, many_schema, read_many, write_many
from daybook.catalogue.values import as_json, one, read_boolean, read_integer, read_json, read_number, unlike


@dataclass(frozen=True)
class InputType:
    """One input type.

    Attributes:
        name: as `spec.yaml` spells it.
        noun: how a message names its values.
        python: the value the notebook gets, for the documentation.
        constraints: attributes of `Constraints` that an input of this type may set.
        json_schema: builds the schema of a value.
        from_json: returns the canonical value or raises `Refused`.
        read_query: turns the texts of a link into JSON; raises `Refused`.
        read_form: the same for a form, whose empty fields are already gone.
        write_query: the texts that `read_query` turns into that canonical value.
        widgets: the form elements that can show it, the usual one first.
    """

    name: str
    noun: str
    python: str
    constraints: frozenset[str]
    json_schema: Callable[[Constraints], Schema]
    from_json: Callable[[object, Constraints], JsonValue]
    read_query: Callable[[Sequence[str], Constraints], JsonValue]
    read_form: Callable[[Sequence[str], Constraints], JsonValue]
    write_query: Callable[[Any, Constraints], list[str]]
    widgets: Callable[[Constraints], tuple[str, ...]]

    def from_query(self, texts: Sequence[str], constraints: Constraints) -> JsonValue:
        """Return the canonical value of what a link gives, or raise `Refused`."""
        return self.from_json(self.read_query(texts, constraints), constraints)

    def from_form(self, texts: Sequence[str], constraints: Constraints) -> JsonValue:
        """Return the canonical value of what a form gives, or raise `Refused`."""
        return self.from_json(self.read_form(texts, constraints), constraints)


def _always(*widgets: str) -> Callable[[Constraints], tuple[str, ...]]:
    return lambda _: widgets


# A list's items are of any other type, so these few stand beside the table they look up.


def _item(value: object, c: Constraints) -> JsonValue:
    return as_json(value) if c.items is None else TYPES[c.items.type].from_json(value, c.items)


def _read_item(text: str, c: Constraints) -> JsonValue:
    return read_json(text) if c.items is None else TYPES[c.items.type].read_query([text], c.items)


def _read_lines(texts: Sequence[str], c: Constraints) -> JsonValue:
    lines = texts if is_array(texts) else [line for text in texts for line in text.splitlines() if line]
    return read_many(_read_item)(lines, c)


def _write_list(value: Any, c: Constraints) -> list[str]:
    if c.items is None:
        return write_many(value, [json.dumps(item) for item in value])
    kind, items = TYPES[c.items.type], c.items
    return write_many(value, [text for item in value for text in kind.write_query(item, items)])


def _list_schema(c: Constraints) -> Schema:
    return many_schema({} if c.items is None else TYPES[c.items.type].json_schema(c.items), c)


def _object(value: object, c: Constraints) -> JsonValue:
    if not isinstance(value, dict):
        raise unlike("an object", value)
    return fitting(value, c.fragment or {})


def _object_schema(c: Constraints) -> Schema:
    return {"type": "object"} if not c.fragment else {"type": "object", "allOf": [embedded(c.fragment)]}


_RANGE = frozenset({"minimum", "maximum", "exclusive_minimum", "exclusive_maximum"})
_COUNT = frozenset({"min_items", "max_items", "unique"})

_TABLE = (
    InputType(
        name="string",
        noun="a text",
        python="`str`",
        constraints=frozenset({"min_length", "max_length", "pattern"}),
        json_schema=text.string_schema,
        from_json=text.string,
        read_query=one_text,
        read_form=text.form_string,
        write_query=as_text,
        widgets=_always("text", "textarea"),
    ),
    InputType(
        name="integer",
        noun="a whole number",
        python="`int`",
        constraints=_RANGE,
        json_schema=numbers.number_schema("integer"),
        from_json=numbers.integer,
        read_query=lambda texts, _: read_integer(one(texts)),
        read_form=lambda texts, _: read_integer(one(texts)),
        write_query=lambda value, _: [str(value)],
        widgets=numbers.number_widgets,
    ),
    InputType(
        name="number",
        noun="a number",
        python="`float`",
        constraints=_RANGE,
        json_schema=numbers.number_schema("number"),
        from_json=numbers.number,
        read_query=lambda texts, _: read_number(one(texts)),
        read_form=lambda texts, _: read_number(one(texts)),
        write_query=lambda value, _: [repr(float(value))],
        widgets=numbers.number_widgets,
    ),
    InputType(
        name="boolean",
        noun="true or false",
        python="`bool`",
        constraints=frozenset(),
        json_schema=lambda _: {"type": "boolean"},
        from_json=numbers.boolean,
        read_query=lambda texts, _: read_boolean(one(texts)),
        read_form=numbers.form_boolean,
        write_query=lambda value, _: ["true" if value else "false"],
        widgets=_always("checkbox", "select"),
    ),
    InputType(
        name="date",
        noun="a date such as 2013-01-31",
        python='`str`: `"2013-01-31"`',
        constraints=frozenset({"earliest", "latest"}),
        json_schema=lambda _: {"type": "string", "format": "date"},
        from_json=dates.dated(dates.parse_date),
        read_query=one_text,
        read_form=one_text,
        write_query=as_text,
        widgets=_always("date", "text"),
    ),
    InputType(
        name="datetime",
        noun="a date and time with its offset",
        python='`str`: `"2013-01-31T10:00:00+01:00"`',
        constraints=frozenset({"earliest", "latest"}),
        json_schema=lambda _: {"type": "string", "format": "date-time"},
        from_json=dates.dated(dates.parse_datetime),
        read_query=one_text,
        read_form=dates.form_datetime,
        write_query=as_text,
        widgets=_always("datetime", "text"),
    ),
    InputType(
        name="enum",
        noun="one of the choices",
        python="the choice as written; with `multiple` a `list` of them",
        constraints=frozenset({"choices", "multiple", "min_items", "max_items"}),
        json_schema=choices.enum_schema,
        from_json=choices.enum,
        read_query=choices.read_enum,
        read_form=choices.read_enum,
        write_query=choices.write_enum,
        widgets=choices.enum_widgets,
    ),
    InputType(
        name="url",
        noun="a URL",
        python="`str`",
        constraints=frozenset({"schemes"}),
        json_schema=places.url_schema,
        from_json=places.url,
        read_query=one_text,
        read_form=one_text,
        write_query=as_text,
        widgets=_always("url", "text"),
    ),
    InputType(
        name="url_list",
        noun="a list of URLs",
        python="`list` of `str`",
        constraints=_COUNT | {"schemes"},
        json_schema=lambda c: many_schema(places.url_schema(c), c),
        from_json=many(places.url),
        read_query=places.read_urls,
        read_form=places.read_urls,
        write_query=places.write_urls,
        widgets=_always("lines", "json"),
    ),
    InputType(
        name="bbox",
        noun="four numbers: west, south, east, north",
        python="`list` of four `float`: west, south, east, north",
        constraints=frozenset(),
        json_schema=places.bbox_schema,
        from_json=places.bbox,
        read_query=places.read_bbox,
        read_form=places.read_bbox,
        write_query=places.write_bbox,
        widgets=_always("bbox", "text"),
    ),
    InputType(
        name="list",
        noun="a list",
        python="`list` of what `items` gives",
        constraints=_COUNT | {"items"},
        json_schema=_list_schema,
        from_json=many(_item),
        read_query=read_many(_read_item),
        read_form=_read_lines,
        write_query=_write_list,
        widgets=_always("lines", "json"),
    ),
    InputType(
        name="object",
        noun="an object",
        python="`dict`",
        constraints=frozenset({"fragment"}),
        json_schema=_object_schema,
        from_json=_object,
        read_query=json_text,
        read_form=json_text,
        write_query=lambda value, _: [json.dumps(value)],
        widgets=_always("json"),
    ),
    InputType(
        name="schema",
        noun="JSON that matches its schema",
        python="whatever JSON was given",
        constraints=frozenset({"fragment"}),
        json_schema=lambda c: embedded(c.fragment or {}),
        from_json=lambda value, c: fitting(value, c.fragment or {}),
        read_query=json_text,
        read_form=json_text,
        write_query=lambda value, _: [json.dumps(value)],
        widgets=_always("json"),
    ),
    InputType(
        name="secret",
        noun="the name of a key in the workspace's secret",
        python="`str`: the key's name, never the secret",
        constraints=frozenset(),
        json_schema=lambda _: {"type": "string", "pattern": f"^{text.KEY_NAME}$"},
        from_json=text.secret,
        read_query=one_text,
        read_form=one_text,
        write_query=as_text,
        widgets=_always("secret"),
    ),
)

TYPES: Mapping[str, InputType] = MappingProxyType({kind.name: kind for kind in _TABLE})
"""Every input type by its name."""
