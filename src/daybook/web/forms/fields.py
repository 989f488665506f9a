"""The fields of a form: how each input of a notebook is shown, with what was given for it and what is wrong there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from daybook.catalogue import Input
from daybook.catalogue.kinds.choices import choice_text
from daybook.contract.errors import Fault
from daybook.web.forms.showing import Shown, as_date, as_datetime, as_items, as_json, as_number, as_sides
from daybook.web.forms.texts import hints_of, placeholder_of, text_of

Look = tuple[str, Sequence[str], Mapping[str, str]]
"""A widget of `fields.html`, the texts in it, and attributes of its element."""


@dataclass(frozen=True)
class Option:
    """One of the choices of a field."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True)
class Field:
    """A field as `fields.html` shows it.

    Attributes:
        name: the input's.
        label: what people read in place of the name.
        widget: which macro shows it.
        texts: what stands in it.
        description: what it means.
        hints: what else helps to fill it in.
        required: whether something must be given.
        advanced: whether it is hidden at first.
        attributes: of the element.
        options: the choices, where there are some.
        faults: what is wrong with it, each with the part of it where (an item's position, a side's name; "" for all).
        keeps_empty: whether a list that was emptied must say so, since it has a default.
        changed: whether it was given something else than its default.
    """

    name: str
    label: str
    widget: str
    texts: Sequence[str]
    description: str = ""
    hints: Sequence[str] = ()
    required: bool = False
    advanced: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[Option] = ()
    faults: Sequence[tuple[str, str]] = ()
    keeps_empty: bool = False
    changed: bool = False

    @property
    def messages(self) -> list[str]:
        """What is wrong, as people read it."""
        return [f"{said(part)}{message}" for part, message in self.faults]

    def is_wrong(self, part: object = "") -> bool:
        """Whether a part of it is at fault: one that is not named stands for all parts."""
        parts = {each for each, _ in self.faults}
        return bool(parts) and (str(part) in parts or "" in parts or part == "")


def fields_of(
    inputs: Iterable[Input], given: Mapping[str, Sequence[str]], faults: Sequence[Fault], *, posted: bool
) -> list[Field]:
    """The fields of a notebook's inputs.

    Args:
        inputs: the notebook's.
        given: texts by name; of what is not there the default is shown.
        faults: what is wrong with them.
        posted: the texts come from a form, where what is missing was emptied by somebody.
    """
    return [_field(item, given.get(item.name, () if posted else None), faults_at(item.name, faults)) for item in inputs]


def faults_at(name: str, faults: Sequence[Fault]) -> list[tuple[str, str]]:
    """The faults of an input, each with the part of it where."""
    found = []
    for fault in faults:
        match = re.fullmatch(rf"{re.escape(name)}(?:\[(\d+)\]|\.(west|south|east|north))?(.*)", fault.where, re.DOTALL)
        if match and not re.match(r"\w", match[3]):
            found.append((match[1] or match[2] or "", f"{match[3]} {fault.message}".strip()))
    return found


def _field(item: Input, given: Sequence[str] | None, faults: list[tuple[str, str]]) -> Field:
    texts = text_of(item, item.default) if given is None else list(given)
    widget, shown, attributes = _LOOKS.get(item.shown_by, _text)(item, texts)
    return Field(
        name=item.name,
        label=item.title or item.name,
        widget=widget,
        texts=shown,
        description=item.description,
        hints=hints_of(item, widget),
        required=item.is_required and not item.nullable,
        advanced=item.advanced and not item.is_required,
        attributes={**placeholder_of(item, widget), **attributes},
        options=_options(item, texts),
        faults=faults,
        keeps_empty=widget in ("lines", "checkboxes") and bool(item.default),
        changed=given is not None and list(given) != text_of(item, item.default),
    )


def _options(item: Input, texts: Sequence[str]) -> list[Option]:
    if item.type == "boolean":
        pairs = [("true", "Yes"), ("false", "No")]
    else:
        pairs = [(choice_text(each.value), each.label or choice_text(each.value)) for each in item.choices or ()]
    return [Option(value, label, value in texts) for value, label in pairs]


def _text(item: Input, texts: Sequence[str]) -> Look:
    if len(texts) > 1:
        return "lines", texts, {}
    if "\n" in "".join(texts):
        return _textarea(item, texts)  # a field of one line would lose the others
    if item.type == "url":
        return "text", texts, {"inputmode": "url", "placeholder": f"{(item.schemes or ('https',))[0]}://"}
    return "text", texts, _length(item)


def _length(item: Input) -> dict[str, str]:
    limits = {"minlength": item.min_length, "maxlength": item.max_length}
    return {name: str(value) for name, value in limits.items() if value is not None}


def _textarea(item: Input, texts: Sequence[str]) -> Look:
    return "textarea", texts, _length(item)


def _secret(_: Input, texts: Sequence[str]) -> Look:
    return "text", texts, {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


def _checkbox(item: Input, texts: Sequence[str]) -> Look:
    known = {"true": "true", "1": "true", "yes": "true", "on": "true"}
    texts = [known.get(text.lower(), "false") for text in texts[-1:]]
    if item.has_default and item.default is not None:
        return "checkbox", texts, {}
    return "select", texts, {}  # a tick box knows no third answer: not chosen


def _select(item: Input, texts: Sequence[str]) -> Look:
    return "select", texts, {} if item.has_default and item.default is not None else {"empty": "yes"}


def _native(name: str, show: Callable[[Input, Sequence[str]], Shown | None]) -> Callable[..., Look]:
    """The browser's own field for a type; what does not fit it is kept in a text field, to be mended there."""

    def look(item: Input, texts: Sequence[str]) -> Look:
        found = show(item, texts)
        return ("text", texts, {}) if found is None else (name, [found[0]] if found[0] else [], found[1])

    return look


def _slider(item: Input, texts: Sequence[str]) -> Look:
    widget, texts, attributes = _LOOKS["number"](item, texts)
    return widget, texts, {**attributes, "data-slider": "yes"} if widget == "number" else attributes


def _lines(item: Input, texts: Sequence[str]) -> Look:
    items = as_items(item, texts)
    if items is None:
        return "json", as_json(item, texts), {"data-json": "array"}
    held = item.items.type if item.items else "url"
    return "lines", items, {"inputmode": {"url": "url", "integer": "numeric", "number": "decimal"}.get(held, "text")}


def _json(item: Input, texts: Sequence[str]) -> Look:
    kind = {"object": "object", "list": "array", "url_list": "array"}.get(item.type, "any")
    return "json", as_json(item, texts), {"data-json": kind}


def _bbox(_: Input, texts: Sequence[str]) -> Look:
    sides = as_sides(texts)
    return ("text", texts, {}) if sides is None else ("bbox", sides, {})


_LOOKS: dict[str, Callable[[Input, Sequence[str]], Look]] = {
    "textarea": _textarea,
    "secret": _secret,
    "checkbox": _checkbox,
    "select": _select,
    "radio": lambda _, texts: ("radio", texts, {}),
    "multiselect": lambda _, texts: ("checkboxes", texts, {}),
    "checkboxes": lambda _, texts: ("checkboxes", texts, {}),
    "date": _native("date", as_date),
    "datetime": _native("datetime", as_datetime),
    "number": _native("number", as_number),
    "slider": _slider,
    "lines": _lines,
    "json": _json,
    "bbox": _bbox,
}
"""How each widget of the catalogue is shown; those that are not here are plain text fields."""


def said(part: str) -> str:
    """A part of a field, before what is wrong with it."""
    return f"item {int(part) + 1} " if part.isdigit() else f"{part} " if part else ""
