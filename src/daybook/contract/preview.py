"""A small look into an output that is a table, kept beside it."""

from __future__ import annotations

from pydantic import Field

from daybook.contract.request import Frozen

PREVIEW_ROWS = 20
PREVIEW_COLUMNS = 30
PREVIEW_CHARACTERS = 200
"""Of one cell. With so many rows and columns a preview is 120 kB of text at most."""
PREVIEW_BYTES = 1024 * 1024
"""What is larger is no preview of ours."""


class TablePreview(Frozen):
    """The beginning of a table."""

    columns: tuple[str, ...] = Field(description="names, of the first columns")
    types: tuple[str, ...] = Field(default=(), description="of the same columns; empty where the format knows none")
    head: tuple[tuple[str | None, ...], ...] = Field(default=(), description="the first rows, as text; null is null")
    rows: int | None = Field(default=None, description="how many the whole table has, where that is known")
    columns_in_all: int | None = Field(default=None, description="how many columns the whole table has")


def cut(text: str) -> str:
    """A cell's text as a preview holds it."""
    return text if len(text) <= PREVIEW_CHARACTERS else f"{text[:PREVIEW_CHARACTERS]}…"
