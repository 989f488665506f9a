"""Notebook files as the catalogue looks at them: is it one, what is its language, where are its parameters.

Read as plain JSON: `nbformat` would cost more time to import than reading a hundred notebooks takes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybook.catalogue.documents import Unreadable, json_line, read_json_document

MAX_READ_BYTES = 50_000_000
"""Bytes of a notebook that is read for its parameters; larger ones are full of outputs, and slow every DAG parse."""

PARAMETERS_TAG = "parameters"
"""The tag that papermill, and so Daybook, finds the parameters cell by."""

_SNIFFED_BYTES = 4096


@dataclass(frozen=True)
class ParametersCell:
    """The cell that holds the defaults of a notebook's parameters.

    Attributes:
        source: its code.
        position: its place among the notebook's cells, from 0.
    """

    source: str
    position: int


@dataclass(frozen=True)
class NotebookFile:
    """What the catalogue needs of a notebook file.

    Attributes:
        language: of its kernel, in lower case; `python` where it says none, as Jupyter assumes.
        parameters: its first cell tagged `parameters`, or None.
    """

    language: str
    parameters: ParametersCell | None

    @property
    def is_python(self) -> bool:
        """Whether its cells are Python."""
        return self.language.startswith(("python", "ipython"))


def sniff(path: Path) -> None:
    """Tell a notebook from an empty, cut-off or altogether different file by its first and last bytes.

    Raises:
        Unreadable: it cannot be a notebook.
    """
    with path.open("rb") as file:
        head = file.read(_SNIFFED_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
        file.seek(-min(_SNIFFED_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
        tail = file.read().rstrip()
    if not head:
        raise Unreadable("is not a notebook: it is empty")
    if not head.startswith(b"{"):
        raise Unreadable("is not a notebook: it is not a JSON object", 1)
    if not tail.endswith(b"}"):
        raise Unreadable("is not a notebook: its end is missing")


def read_notebook(content: bytes) -> NotebookFile:
    """Read a notebook file.

    Raises:
        Unreadable: it is not a notebook of nbformat 4.
    """
    if len(content) > MAX_READ_BYTES:
        raise Unreadable(
            f"is larger than {MAX_READ_BYTES // 1_000_000} MB: clear its outputs, or name its inputs in spec.yaml"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not a notebook: not UTF-8 text ({error.reason})") from None
    try:
        document = read_json_document(text)
    except Unreadable as error:
        raise Unreadable(f"is not a notebook: it {error}", error.line) from None
    _check_shape(document)
    return NotebookFile(_language(document.get("metadata")), _parameters_cell(document["cells"]))


def line_in_file(content: bytes, cell: ParametersCell, line: int) -> int:
    """Return the line of the notebook file that a line of the parameters cell, from 1, stands on."""
    return json_line(content.decode("utf-8-sig"), ("cells", cell.position, "source", line - 1))


def _check_shape(document: Any) -> None:
    if not isinstance(document, dict):
        raise Unreadable("is not a notebook: it is not a JSON object", 1)
    if document.get("nbformat") != 4:
        found = json.dumps(document.get("nbformat"))
        raise Unreadable(f"is not a notebook of format 4: its nbformat is {found}; open and save it in JupyterLab")
    cells = document.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise Unreadable("is not a notebook: it has no list of cells")


def _language(metadata: Any) -> str:
    for part, key in (("language_info", "name"), ("kernelspec", "language")):
        found = metadata.get(part) if isinstance(metadata, dict) else None
        name = found.get(key) if isinstance(found, dict) else None
        if isinstance(name, str) and name:
            return name.lower()
    return "python"


def _parameters_cell(cells: list[Mapping[str, Any]]) -> ParametersCell | None:
    for position, cell in enumerate(cells):
        metadata = cell.get("metadata")
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        if isinstance(tags, list) and PARAMETERS_TAG in tags:
            source = cell.get("source", "")
            text = "".join(map(str, source)) if isinstance(source, list) else str(source)
            return ParametersCell(text, position)
    return None
