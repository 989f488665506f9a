"""The first rows of outputs that are tables: of CSV from the file itself, of Parquet as the runner noted them."""

from __future__ import annotations

import csv
import io

from pydantic import ValidationError

from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import Output
from daybook.contract.preview import PREVIEW_BYTES, PREVIEW_COLUMNS, PREVIEW_ROWS, TablePreview, cut
from daybook.storage import Store

SEPARATED = {"text/csv": ",;\t|", "text/tab-separated-values": "\t"}
"""Media types of plain tables, each with what may separate its columns."""
BEGINNING_BYTES = 64 * 1024
"""How much of a plain table is read; of an API server's memory no more, whatever the file is."""


def has_preview(output: Output) -> bool:
    """Whether an output is a table that can be looked into."""
    return output.preview is not None or (output.media_type in SEPARATED and output.size > 0)


def preview_of(store: Store, output: Output) -> TablePreview | None:
    """The first rows of an output; None where it turns out to be no table, or is there no more.

    Args:
        store: rooted at the run's prefix.
        output: as the manifest lists it.
    """
    try:
        if output.preview is not None:
            return _noted(store.read_part(output.preview, 0, PREVIEW_BYTES))
        if has_preview(output):
            begun = store.read_part(output.key, 0, BEGINNING_BYTES)
            return table_of(begun, SEPARATED[output.media_type], len(begun) >= output.size)
    except StoreFailed:
        return None  # the run's page is about more than this
    return None


def table_of(beginning: bytes, separators: str, is_whole: bool) -> TablePreview | None:
    """A plain table's first rows; whatever the bytes are, this gives a table or none.

    Args:
        beginning: of the file.
        separators: what may stand between columns; the one that the first line has most of does.
        is_whole: whether that is all of the file; else its last line may be cut.
    """
    text = beginning.decode("utf-16" if beginning[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    if not is_whole:
        text = text.rpartition("\n")[0] or text
    first = text.partition("\n")[0]
    separator = max(separators, key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error:
        return None
    rows = [row for row in rows if row]
    if not rows:
        return None
    shown = [tuple(map(cut, row[:PREVIEW_COLUMNS])) for row in rows[: PREVIEW_ROWS + 1]]
    return TablePreview(
        columns=shown[0],
        head=tuple(shown[1:]),
        rows=len(rows) - 1 if is_whole else None,
        columns_in_all=len(rows[0]),
    )


def _noted(document: bytes) -> TablePreview | None:
    """What the runner noted; a notebook may have put anything in its place, so it is cut again."""
    try:
        found = TablePreview.model_validate_json(document)
    except ValidationError:
        return None
    types = found.types if len(found.types) == len(found.columns) else ()
    return found.model_copy(
        update={
            "columns": tuple(map(cut, found.columns[:PREVIEW_COLUMNS])),
            "types": tuple(map(cut, types[:PREVIEW_COLUMNS])),
            "head": tuple(
                tuple(each if each is None else cut(each) for each in row[:PREVIEW_COLUMNS])
                for row in found.head[:PREVIEW_ROWS]
            ),
        }
    )
