"""The templates' environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from daybook.web.words import (
    bytes_for_people,
    duration_for_people,
    moment_for_people,
    name_for_people,
    paragraphs_for_people,
    value_for_people,
    when_for_people,
)


def make_templates() -> Environment:
    """Everything is escaped, and a name that is not there is an error."""
    environment = Environment(
        loader=PackageLoader("daybook.web"), undefined=StrictUndefined, autoescape=select_autoescape(default=True)
    )
    filters: dict[str, Callable[[Any], object]] = {
        "value": value_for_people,
        "bytes": bytes_for_people,
        "duration": duration_for_people,
        "when": when_for_people,
        "moment": moment_for_people,
        "name": name_for_people,
        "paragraphs": paragraphs_for_people,
        "path": lambda path: quote(path, safe="/"),
    }
    environment.filters.update(filters)
    return environment
