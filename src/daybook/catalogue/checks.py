"""Whether an input's description makes sense: limits that apply to its type, and a default that keeps to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from daybook.catalogue.constraints import Constraints
from daybook.catalogue.fragments import fragment_fault
from daybook.catalogue.kinds.choices import choice_text
from daybook.catalogue.kinds.dates import parse_date, parse_datetime
from daybook.catalogue.model import FoundFault
from daybook.catalogue.suggest import did_you_mean
from daybook.catalogue.types import TYPES, InputType
from daybook.catalogue.values import Refused

if TYPE_CHECKING:
    from daybook.catalogue.inputs import InputSpec

_UNNESTED = {"list", "url_list"}


def input_faults(spec: InputSpec) -> list[FoundFault]:
    """Return everything that is wrong with an input, each with the key it stands under."""
    faults = constraint_faults(spec, spec.type)
    if faults:
        return faults  # what follows reads values by limits that do not hold
    return [*_value_faults(spec), *_form_faults(spec)]


def constraint_faults(constraints: Constraints, type_name: str) -> list[FoundFault]:
    """Return what is wrong with the limits of a value of that type."""
    kind = TYPES.get(type_name)
    if kind is None:
        return [
            (("type",), f"'{type_name}' is no input type{did_you_mean(type_name, TYPES, otherwise='the types are')}")
        ]
    faults = [*_foreign(constraints, kind), *_upside_down(constraints), *_dates(constraints, kind)]
    if kind.name == "enum":
        faults += _choices(constraints)
    if constraints.items is not None:
        faults += [(("items", *path), message) for path, message in _items(constraints.items, constraints.items.type)]
    if constraints.fragment is not None:
        fault = fragment_fault(constraints.fragment)
        faults += [(("schema",), fault)] if fault else []
    return faults


def _foreign(c: Constraints, kind: InputType) -> Iterator[FoundFault]:
    for name, field in Constraints.model_fields.items():
        value = getattr(c, name)
        if value is not None and value is not False and name not in kind.constraints:
            yield (field.alias or name,), f"does not apply to the type {kind.name}"


def _upside_down(c: Constraints) -> Iterator[FoundFault]:
    pairs: tuple[tuple[str, float | None, str, float | None], ...] = (
        ("minimum", c.minimum, "maximum", c.maximum),
        ("exclusiveMinimum", c.exclusive_minimum, "exclusiveMaximum", c.exclusive_maximum),
        ("minLength", c.min_length, "maxLength", c.max_length),
        ("minItems", c.min_items, "maxItems", c.max_items),
    )
    for low_name, low, high_name, high in pairs:
        if low is not None and high is not None and low > high:
            yield (low_name,), f"is {low}, above {high_name}, which is {high}"


def _dates(c: Constraints, kind: InputType) -> list[FoundFault]:
    parsers: dict[str, Callable[[object], Any]] = {"date": parse_date, "datetime": parse_datetime}
    parse = parsers.get(kind.name)
    if parse is None:
        return []
    moments, faults = {}, []
    for name, text in (("earliest", c.earliest), ("latest", c.latest)):
        try:
            moments[name] = parse(text) if text is not None else None
        except Refused as error:
            faults.append(((name,), str(error)))
    if not faults and moments["earliest"] and moments["latest"] and moments["earliest"] > moments["latest"]:
        faults.append((("earliest",), f"is {c.earliest}, after latest, which is {c.latest}"))
    return list(faults)


def _choices(c: Constraints) -> Iterator[FoundFault]:
    if not c.choices:
        yield ("choices",), "must list at least one choice"
    if not c.multiple and (c.min_items is not None or c.max_items is not None):
        yield ("multiple",), "must be true where minItems or maxItems stands"
    seen: set[str] = set()
    for position, choice in enumerate(c.choices or ()):
        text = choice_text(choice.value)
        if text in seen:
            yield ("choices", position), f"'{text}' stands there twice, or as a text and as a number"
        seen.add(text)


def _items(items: Constraints, type_name: str) -> list[FoundFault]:
    if type_name in _UNNESTED or items.multiple:
        return [(("type",), f"a list cannot hold a {type_name} of several; use the type schema for nested lists")]
    return constraint_faults(items, type_name)


def _value_faults(spec: InputSpec) -> Iterator[FoundFault]:
    for name in ("default", "example"):
        value = getattr(spec, name)
        if value is None:
            continue
        try:
            spec.kind.from_json(value, spec)
        except Refused as error:
            yield from (((name,), f"{path} {message}".strip()) for path, message in error.faults)
    if spec.required and spec.has_default:
        yield ("required",), "cannot be true beside a default, which is used when no value is given"


def _form_faults(spec: InputSpec) -> Iterator[FoundFault]:
    widgets = spec.kind.widgets(spec)
    if spec.widget is not None and spec.widget not in widgets:
        needs = " (a slider needs minimum and maximum)" if spec.widget == "slider" else ""
        yield ("widget",), f"'{spec.widget}' cannot show this {spec.type}; {' or '.join(widgets)} can{needs}"
