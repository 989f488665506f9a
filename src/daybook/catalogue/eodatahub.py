"""A catalogue as one JSON list, the form that the EO DataHub's notebook runner uses.

Each entry names its `id`, `type` (`notebook` or `workflow`), `file`, `title`, `description`, `collections`,
`minItems`, `maxItems`, `markdown_file` and `inputSpec`, a mapping of names to `singleUrl`, `urlList` or `bbox`. Other
keys are other programs' business.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StrictInt, ValidationError

from daybook.catalogue import model
from daybook.catalogue.broken import Broken, BrokenEntry, Document
from daybook.catalogue.documents import Unreadable, json_line, read_json_document, read_text
from daybook.catalogue.folder import Loaded
from daybook.catalogue.ids import id_fault
from daybook.catalogue.inputs import Input, name_fault
from daybook.catalogue.notebook import Notebook, NotRunnable
from daybook.catalogue.sources import check_file, markdown_of, source_of, taken_by
from daybook.catalogue.suggest import did_you_mean

INPUT_TYPES = {"singleUrl": "url", "urlList": "url_list", "bbox": "bbox"}
"""The names that this form has for input types."""

ENTRY_TYPES = ("notebook", "workflow")


class _Entry(model.Strict):
    model_config = ConfigDict(extra="ignore")

    id: str
    type: str
    file: str | None = None
    title: str | None = None
    description: str | None = None
    collections: model.Texts = ()
    min_items: Annotated[StrictInt, Field(ge=0)] | None = Field(None, alias="minItems")
    max_items: Annotated[StrictInt, Field(ge=0)] | None = Field(None, alias="maxItems")
    markdown_file: str | None = None
    input_spec: dict[str, str] | None = Field(None, alias="inputSpec")


def load_list(path: Path) -> Iterator[Loaded | BrokenEntry]:
    """Read each entry of a JSON list; the paths in it are relative to its own folder, and stay within it.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        text = read_text(path.read_bytes())
        entries = read_json_document(text)
        if not isinstance(entries, list):
            raise Unreadable("must be a list of entries", 1)
    except Unreadable as error:
        yield Broken.by(path, error).entry(path.name)
        return
    root = path.parent.resolve(strict=True)
    for position, data in enumerate(entries):
        try:
            yield _load_entry(data, root, _document(path, text, position))
        except Broken as error:
            yield error.entry(_name(data) or f"{path.name}[{position}]")


def _document(path: Path, text: str, position: int) -> Document:
    return Document(str(path), lambda inner: json_line(text, (position, *inner)))


def _name(data: Any) -> str | None:
    found = data.get("id") if isinstance(data, dict) else None
    return found if isinstance(found, str) and found else None


def _load_entry(data: Any, root: Path, document: Document) -> Loaded:
    try:
        entry = _Entry.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise Broken(document, model.told(error, lambda _: None)) from None
    faults = list(_entry_faults(entry))
    if faults:
        raise Broken(document, faults)
    if entry.type == "workflow":
        reason = "is a workflow, which other programs run; Daybook runs notebooks"
        return NotRunnable(entry.id, entry.title or entry.id, reason, entry.description or ""), document
    return _notebook(entry, root, document), document


def _entry_faults(entry: _Entry) -> Iterator[model.FoundFault]:
    fault = id_fault(entry.id)
    if fault:
        yield ("id",), f"'{entry.id}' {fault}"
    if entry.type not in ENTRY_TYPES:
        hint = did_you_mean(entry.type, ENTRY_TYPES, otherwise="the types are")
        yield ("type",), f"'{entry.type}' is no type of entry{hint}"
    if entry.type != "notebook":
        return
    if entry.file is None:
        yield ("file",), "is missing"
    if entry.min_items is not None and entry.max_items is not None and entry.min_items > entry.max_items:
        yield ("minItems",), f"is {entry.min_items}, above maxItems, which is {entry.max_items}"
    for name, kind in (entry.input_spec or {}).items():
        fault = name_fault(name)
        if fault:
            yield ("inputSpec", name), f"'{name}' {fault}"
        if kind not in INPUT_TYPES:
            hint = did_you_mean(kind, INPUT_TYPES, otherwise="the types are")
            yield ("inputSpec", name), f"'{kind}' is no input type{hint}"


def _notebook(entry: _Entry, root: Path, document: Document) -> Notebook:
    source = _source(entry.file or "", "file", root, document)
    taken = None if entry.input_spec is not None else taken_by(source)
    check_file(source, None)
    title = entry.title or ""
    try:
        return Notebook(
            id=entry.id,
            source=source,
            title=title,
            description=entry.description or "",
            markdown=_markdown(entry, title, root, document),
            collections=entry.collections,
            inputs=_inputs(entry) if taken is None else taken.inputs,
            inputs_inferred=taken is not None,
            open_inputs=taken is not None and taken.open,
            defined_in=document.file,
        )
    except ValidationError as error:
        raise Broken(document, model.told(error, lambda _: None)) from None


def _inputs(entry: _Entry) -> tuple[Input, ...]:
    return tuple(_input(name, INPUT_TYPES[kind], entry) for name, kind in (entry.input_spec or {}).items())


def _input(name: str, kind: str, entry: _Entry) -> Input:
    counts = {"min_items": entry.min_items, "max_items": entry.max_items} if kind == "url_list" else {}
    return Input(name=name, type=kind, **{key: count for key, count in counts.items() if count is not None})


def _source(text: str, key: str, root: Path, document: Document) -> str:
    try:
        return source_of(text, root, root)
    except ValueError as error:
        raise Broken(document, [((key,), str(error))]) from None


def _markdown(entry: _Entry, title: str, root: Path, document: Document) -> str:
    if not entry.markdown_file:
        return ""
    try:
        return markdown_of(_source(entry.markdown_file, "markdown_file", root, document), title)
    except ValueError as error:
        raise Broken(document, [(("markdown_file",), str(error))]) from None
