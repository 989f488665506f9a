"""A notebook file's bytes become a notebook: checked as plain JSON first, brought to today's format afterwards.

The check needs nothing but the standard library, so that the kernel can start before `nbformat` is loaded.
"""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from daybook.contract.errors import Fault, InvalidRequest

FORMAT = 4
LONG_TEXT = 1024 * 1024
"""A printed text of more characters is written as one, not as a list of its lines."""
CELL_KINDS = frozenset({"code", "markdown", "raw"})
MAX_FAULTS = 10
"""How many faults of a broken file are told; more help nobody."""

_CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OF_CODE = ("outputs", "execution_count")
_PAST = ("widgets", "signature", "orig_nbformat", "orig_nbformat_minor")
"""What metadata says of outputs that are gone, and of the file as it was."""

Document = dict[str, Any]


def read_document(data: bytes, source: str) -> Document:
    """The JSON object of a notebook file.

    Args:
        data: the file.
        source: what to call it in a message.

    Raises:
        InvalidRequest: it is no notebook; says what is wrong where.
    """
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _not_one(source, [Fault("", f"it is not UTF-8 text: {error.reason} at byte {error.start}")]) from error
    except json.JSONDecodeError as error:
        what = "the file is empty" if not data.strip() else f"it is not JSON: {error.msg}"
        raise _not_one(source, [Fault(f"line {error.lineno}", what)]) from error
    except RecursionError as error:
        raise _not_one(source, [Fault("", "it is nested too deeply")]) from error
    faults = list(_faults(found))
    if faults:
        raise _not_one(source, faults[:MAX_FAULTS])
    return dict(found)


def to_notebook(document: Document, source: str) -> Any:
    """The notebook in today's format, old outputs and counts of its code cells taken out.

    What the format forbids, but what a run can do without, is put right: the executed notebook is to be read by every
    tool that checks the format.

    Raises:
        InvalidRequest: its format cannot be brought up to date.
    """
    import nbformat
    from nbformat.reader import get_version

    try:
        version = get_version(document)
        if version[0] == FORMAT:
            notebook = nbformat.v4.to_notebook(_completed(document))
            notebook = nbformat.v4.upgrade(notebook, from_version=FORMAT, from_minor=notebook.nbformat_minor)
        else:
            old = nbformat.versions[version[0]].to_notebook_json(document)
            notebook = nbformat.convert(old, FORMAT)
    except Exception as error:
        raise _not_one(source, [Fault("", f"its format cannot be brought up to date: {error!r}")]) from error
    _put_right(notebook)
    return notebook


def _completed(document: Document) -> Document:
    """A notebook of format 4 with what some programs leave out, and without its old outputs, however they look."""
    cells = [{"metadata": {}, **cell, "outputs": [], "execution_count": None} for cell in document["cells"]]
    # What a later minor format has beyond this one, nothing here relies on.
    return {"nbformat_minor": 0, "metadata": {}, **document, "cells": cells}


def _put_right(notebook: Any) -> None:
    import nbformat

    for key, wanted in (("kernelspec", ()), ("language_info", ("name",)), ("papermill", ())):
        found = notebook.metadata.get(key, {})
        if not isinstance(found, dict) or not all(isinstance(found.get(each), str) for each in wanted):
            notebook.metadata.pop(key, None)
    for key in _PAST:
        notebook.metadata.pop(key, None)
    seen: set[str] = set()
    for cell in notebook.cells:
        if not isinstance(cell.get("id"), str) or cell.id in seen or not _CELL_ID.fullmatch(cell.id):
            cell["id"] = uuid.uuid4().hex[:8]
        seen.add(cell.id)
        metadata = cell.setdefault("metadata", nbformat.NotebookNode())
        if "tags" in metadata:
            metadata["tags"] = tags_of(cell)
        for key in _OF_CODE:
            cell.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None


def to_bytes(notebook: Any) -> bytes:
    """The notebook, without the layout that Jupyter gives it, which takes ten times as long."""
    # Half a surrogate pair, out of a cell's output: JSON can say it in escapes, UTF-8 cannot.
    return json.dumps(notebook, ensure_ascii=False).encode("utf-8", "backslashreplace")


def write_notebook(notebook: Any, file: TextIO) -> None:
    """Writes the notebook, laid out as Jupyter does it, piece by piece: it may be large.

    Args:
        notebook: in today's format; not changed.
        file: should take what UTF-8 cannot hold by `backslashreplace`, which JSON reads as its own escapes.
    """
    file.write("{")
    metadata = _for_files(notebook.metadata, []).metadata
    for number, (key, value) in enumerate(sorted({**notebook, "metadata": metadata}.items())):
        file.write(f"{',' if number else ''}\n {json.dumps(key)}: ")
        if key == "cells" and value:
            # Cell by cell: a copy of all of it would be as large as all of it.
            for position, cell in enumerate(value):
                file.write(f"{',' if position else '['}\n  {_laid_out(_for_files({}, [cell]).cells[0], 2)}")
            file.write("\n ]")
        else:
            file.write(_laid_out(value, 1))
    file.write("\n}\n")


def _for_files(metadata: Mapping[str, Any], cells: list[Any]) -> Any:
    """A notebook as files have it: texts as lists of lines, nothing that only the program needs that has it open."""
    from nbformat import NotebookNode
    from nbformat.v4.rwbase import split_lines, strip_transient

    part = NotebookNode(metadata=dict(metadata), cells=copy.deepcopy(cells))
    # A list of a million lines takes ten times the memory of their text; a text is as valid.
    printed = [output for cell in part.cells for output in cell.get("outputs", ()) if output.output_type == "stream"]
    long = [(output, output.text) for output in printed if len(output.text) > LONG_TEXT]
    for output, _ in long:
        output.text = ""
    laid_out = strip_transient(split_lines(part))
    for output, text in long:
        output.text = text
    return laid_out


def _laid_out(value: Any, depth: int) -> str:
    """A JSON value as Jupyter lays it out at a depth of nesting; no text in it has a line break that is not escaped."""
    text = json.dumps(value, indent=1, sort_keys=True, separators=(",", ": "), ensure_ascii=False)
    return text.replace("\n", "\n" + " " * depth)


def language_of(document: Mapping[str, Any]) -> str | None:
    """The language a notebook says it is in, in lower case."""
    metadata = document.get("metadata")
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        named = metadata.get(part) if isinstance(metadata, Mapping) else None
        if isinstance(named, Mapping) and isinstance(named.get(key), str) and named[key]:
            return str(named[key]).lower()
    return None


def tags_of(cell: Mapping[str, Any]) -> list[str]:
    """A cell's tags."""
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, Mapping) else None
    return list(dict.fromkeys(tag for tag in tags if isinstance(tag, str))) if isinstance(tags, list) else []


def source_of(cell: Mapping[str, Any]) -> str:
    """A cell's source as one text."""
    source = cell.get("source", cell.get("input", ""))
    return "".join(source) if isinstance(source, list) else str(source)


def _faults(found: Any) -> Iterator[Fault]:
    if not isinstance(found, dict):
        yield Fault("", f"it holds a {type(found).__name__}, not a JSON object")
        return
    version = found.get("nbformat")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= FORMAT:
        told = "it names no notebook format" if version is None else f"its format is {version!r}"
        yield Fault("nbformat", f"{told}; formats 1 to {FORMAT} can be run")
        return
    if not isinstance(found.get("metadata", {}), dict):
        yield Fault("metadata", "must be an object")
    if version < FORMAT:
        return  # the converters know those formats, and say so
    cells = found.get("cells")
    if not isinstance(cells, list):
        yield Fault("cells", "must be a list; the file has none")
        return
    for position, cell in enumerate(cells):
        yield from _cell_faults(cell, f"cells[{position}]")


def _cell_faults(cell: Any, where: str) -> Iterator[Fault]:
    if not isinstance(cell, dict):
        yield Fault(where, "must be an object")
        return
    if cell.get("cell_type") not in CELL_KINDS:
        yield Fault(f"{where}.cell_type", f"must be code, markdown or raw, not {cell.get('cell_type')!r}")
    source = cell.get("source")
    if not isinstance(source, str) and not (isinstance(source, list) and all(isinstance(line, str) for line in source)):
        yield Fault(f"{where}.source", "must be a text or a list of lines")
    if not isinstance(cell.get("metadata", {}), dict):
        yield Fault(f"{where}.metadata", "must be an object")


def _not_one(source: str, faults: list[Fault]) -> InvalidRequest:
    return InvalidRequest(f"{source} is not a notebook", faults)
