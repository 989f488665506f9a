"""Notebooks for the tests of catalogue and form."""

from typing import Any

from daybook.catalogue import Catalogue, Notebook

EVERY_WIDGET: dict[str, dict[str, Any]] = {
    "place": {"type": "string", "title": "Place", "description": "Where it is.", "maxLength": 20},
    "remarks": {"type": "string", "widget": "textarea", "required": False},
    "origin": {"type": "enum", "choices": [{"value": "JFK", "label": "Kennedy"}, "LGA"], "default": "LGA"},
    "carrier": {"type": "enum", "choices": ["AA", "UA"], "widget": "radio", "default": "AA"},
    "months": {"type": "enum", "choices": [1, 2, 3], "multiple": True, "default": [1, 2]},
    "minimum": {"type": "integer", "minimum": 0, "maximum": 100, "default": 15},
    "share": {"type": "number", "minimum": 0, "maximum": 1, "widget": "slider", "default": 0.5},
    "is_quick": {"type": "boolean", "default": True},
    "maybe": {"type": "boolean", "required": False},
    "day": {"type": "date", "earliest": "2013-01-01", "default": "2013-01-31"},
    "moment": {"type": "datetime", "default": "2013-01-31T10:00:00+01:00"},
    "page": {"type": "url", "required": False},
    "urls": {"type": "url_list", "default": ["https://example.org/a", "https://example.org/b"], "maxItems": 5},
    "numbers": {"type": "list", "items": "integer", "required": False},
    "anything": {"type": "list", "default": [1, "two"]},
    "area": {"type": "bbox", "default": [-1, 50, 1, 52]},
    "options": {"type": "object", "default": {"a": 1}},
    "token": {"type": "secret", "required": False},
    "rarely": {"type": "integer", "default": 1, "advanced": True},
}


def a_notebook(notebook_id: str = "nb", inputs: dict[str, Any] | None = None, **changes: Any) -> Notebook:
    """A notebook of the catalogue, with inputs by name."""
    listed = [{"name": name, **spec} for name, spec in (inputs or {}).items()]
    given = {"id": notebook_id, "source": f"/notebooks/{notebook_id}.ipynb", "inputs": listed}
    return Notebook.model_validate({**given, **changes})


def a_catalogue(*notebooks: Notebook) -> Catalogue:
    """Those notebooks, and none that is broken."""
    return Catalogue({each.id: each for each in notebooks}, {}, ())
