"""Texts of a link or form as the browser's own fields want them; None where they do not fit one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC

from daybook.catalogue import TYPES, Input
from daybook.catalogue.kinds.dates import form_datetime, parse_date, parse_datetime
from daybook.catalogue.kinds.many import is_array
from daybook.catalogue.values import Refused, read_number
from daybook.web.forms.given import EMPTY_LIST, SIDES

Shown = tuple[str, dict[str, str]]


def as_date(item: Input, texts: Sequence[str]) -> Shown | None:
    """A date field's text and its limits."""
    text = "".join(texts)
    try:
        if text:
            parse_date(text)
    except Refused:
        return None
    return text, _limits(min=item.earliest, max=item.latest)


def as_datetime(item: Input, texts: Sequence[str]) -> Shown | None:
    """A date and time field's text and its limits, in UTC, since such a field knows no offset."""
    try:
        text = _utc("".join(texts), item)
        limits = _limits(min=item.earliest and _utc(item.earliest, item), max=item.latest and _utc(item.latest, item))
    except Refused:
        return None
    return text, {**limits, "step": "1"}


def _utc(text: str, item: Input) -> str:
    if not text:
        return ""
    moment = parse_datetime(form_datetime([text], item)).astimezone(UTC)
    if moment.microsecond % 1000:
        raise Refused(("", "is finer than a browser's field"))
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if moment.microsecond else "seconds")


def as_number(item: Input, texts: Sequence[str]) -> Shown | None:
    """A number field's text and its limits; those that are exclusive are for a hint only."""
    text = "".join(texts)
    try:
        if text:
            read_number(text)
    except Refused:
        return None
    step = "1" if item.type == "integer" else "any"
    return text, {**_limits(min=_plain(item.minimum), max=_plain(item.maximum)), "step": step}


def as_items(item: Input, texts: Sequence[str]) -> list[str] | None:
    """The texts of a list's items, one a line; None where a line cannot hold one."""
    texts = [text for text in texts if text]
    if texts in ([], [EMPTY_LIST]):
        return [] if item.type == "url_list" or item.items is not None else None
    if item.type == "list" and item.items is None:
        return None
    try:
        value = item.kind.read_form(texts, item)
    except Refused:
        return None if is_array(texts) else [line for text in texts for line in text.splitlines()]
    items = _lines_of(item, value) if isinstance(value, list) else None
    return None if items is None or is_array(items) or any(re.search(r"[\r\n]", each) for each in items) else items


def _lines_of(item: Input, value: Sequence[object]) -> list[str] | None:
    if item.items is None:
        return [str(each) for each in value] if all(isinstance(each, str) for each in value) else None
    kind = TYPES[item.items.type]
    try:
        return [text for each in value for text in kind.write_query(kind.from_json(each, item.items), item.items)]
    except Refused:
        return [each if isinstance(each, str) else json.dumps(each) for each in value]


def as_json(item: Input, texts: Sequence[str]) -> list[str]:
    """JSON as people read it; what is none stays as it is."""
    texts = [text for text in texts if text]
    if not texts:
        return []
    try:
        return [json.dumps(item.kind.read_query(texts, item), indent=2, ensure_ascii=False)]
    except Refused:
        return ["\n".join(texts)]


def as_sides(texts: Sequence[str]) -> list[str] | None:
    """The four sides of a box."""
    if not any(texts):
        return [""] * len(SIDES)
    parts = texts[0].strip().removeprefix("[").removesuffix("]").split(",") if len(texts) == 1 else texts
    return [part.strip().removesuffix(".0") for part in parts] if len(parts) == len(SIDES) else None


def _limits(**limits: str | None) -> dict[str, str]:
    return {name: value for name, value in limits.items() if value is not None}


def _plain(number: float | None) -> str | None:
    return None if number is None else f"{number:.15g}"
