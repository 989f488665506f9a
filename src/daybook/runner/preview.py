"""`python -m daybook.runner.preview FILE…` looks into Parquet files: a line of JSON for each, `null` for no table."""

from __future__ import annotations

import sys
from typing import Any

from daybook.contract.preview import PREVIEW_COLUMNS, PREVIEW_ROWS, TablePreview, cut

MAX_GROUP_BYTES = 64 * 1024 * 1024
"""Rows are read only where the first group of them, which must be unpacked, is no larger."""


def preview_of(path: str) -> TablePreview | None:
    """A file's columns, number of rows and first rows; None for what is no Parquet file."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            fields = list(file.schema_arrow)
            names = [field.name for field in fields[:PREVIEW_COLUMNS]]
            return TablePreview(
                columns=tuple(map(cut, names)),
                types=tuple(cut(str(field.type)) for field in fields[:PREVIEW_COLUMNS]),
                head=_head(file, len(names)),
                rows=file.metadata.num_rows,
                columns_in_all=len(fields),
            )
    except (ArrowException, OSError, ValueError):
        return None


def _head(file: Any, columns: int) -> tuple[tuple[str | None, ...], ...]:
    if not file.metadata.num_row_groups or file.metadata.row_group(0).total_byte_size > MAX_GROUP_BYTES:
        return ()
    batch = next(file.iter_batches(PREVIEW_ROWS, row_groups=[0]), None)
    if batch is None:
        return ()
    found = [[_text(value) for value in batch.column(number).to_pylist()] for number in range(columns)]
    return tuple(zip(*found, strict=True))[:PREVIEW_ROWS]


def _text(value: Any) -> str | None:
    return None if value is None else cut(value.hex() if isinstance(value, bytes) else str(value))


def main() -> None:
    """Writes a line for each file, at once: a file that crashes this process takes only itself and later ones along."""
    for path in sys.argv[1:]:
        found = preview_of(path)
        sys.stdout.write(("null" if found is None else found.model_dump_json()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
