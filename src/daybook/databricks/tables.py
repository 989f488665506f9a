"""A table of a result, as HTML and as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

_TEXT_ROWS = 100
"""More is for the HTML, or for a file."""
_TEXT_CHARACTERS = 60
"""Of one value."""


def html_table(names: Sequence[str], rows: Sequence[Any]) -> str:
    """The table in HTML; whatever it holds is shown as text."""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_said(value))}</td>" for value in _row(row)) + "</tr>" for row in rows
    )
    return f'<table class="dataframe"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def text_table(names: Sequence[str], rows: Sequence[Any]) -> str:
    """The table in aligned columns, its first rows at least."""
    shown = [
        [_short(name) for name in names],
        *([_short(_said(value)) for value in _row(row)] for row in rows[:_TEXT_ROWS]),
    ]
    width = max(map(len, shown), default=0)
    shown = [line + [""] * (width - len(line)) for line in shown]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = [
        "  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip() for line in shown
    ]
    if len(rows) > _TEXT_ROWS:
        lines.append(f"… {len(rows) - _TEXT_ROWS} more rows")
    return "\n".join(lines)


def _row(row: Any) -> Sequence[Any]:
    return row if isinstance(row, list) else [row]


def _said(value: Any) -> str:
    if value is None:
        return "null"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _TEXT_CHARACTERS else text[: _TEXT_CHARACTERS - 1] + "…"
