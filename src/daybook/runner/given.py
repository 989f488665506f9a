"""The request behind `daybook execute`: a notebook's address and values, checked as any other trigger's are."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import JsonValue

from daybook.catalogue import Notebook, id_fault, resolve
from daybook.catalogue.folder import SPEC_FILE, load_notebook
from daybook.catalogue.infer import CellSyntaxError, infer_inputs
from daybook.contract import keys
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.quantities import quantity, whole
from daybook.contract.request import Limits, NotebookSource, RunRequest
from daybook.contract.sources import shown
from daybook.runner import records
from daybook.runner.document import Document, language_of, read_document, source_of, tags_of
from daybook.runner.fetch import address_parts, fetch
from daybook.runner.prepare import PARAMETERS_TAG
from daybook.storage import RunRecord, open_store


@dataclass(frozen=True)
class Given:
    """What `daybook execute` was given.

    Attributes:
        notebook: path or URL of the notebook.
        output: URL or path of the run's prefix.
        values: parameters as JSON values, from a file.
        texts: parameters as texts, from the command line; spelled as in a link.
        kernel: overrides the notebook's own.
        limits: how long things may take; a field that is not set is the notebook's own to say.
        user: on whose behalf.
    """

    notebook: str
    output: str
    values: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    kernel: str | None = None
    limits: Limits | None = None
    user: str | None = None


def request_for(given: Given, environment: Mapping[str, str]) -> RunRequest:
    """The request that the arguments stand for; where the output holds a run already, the next attempt of it.

    Raises:
        InvalidRequest: the notebook cannot be read, or the values do not fit; every fault is named.
        StoreFailed: the bucket does not answer.
    """
    path = _path_of(given.notebook)
    address = str(path.absolute()) if path is not None else given.notebook
    data = fetch(NotebookSource(id="given", source=address), environment)
    document = read_document(data, shown(given.notebook))
    entry = _entry(path, document, address, wanted=bool(given.values or given.texts))
    values = _parameters(entry, given)
    secret = entry.secret_inputs
    return RunRequest(
        **identity(entry.id, given.output, environment),
        notebook=NotebookSource(
            id=entry.id, source=address, title=entry.title, kernel=given.kernel or entry.run.kernel
        ),
        parameters={name: value for name, value in values.items() if name not in secret},
        secrets={name: str(value) for name, value in values.items() if name in secret and value is not None},
        user=given.user,
        limits=_limits(entry, given.limits),
        may_end_early=entry.run.may_end_early,
    )


def identity(notebook_id: str, output: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Which run and attempt is asked for, when, and where its record goes: those members of a request.

    Raises:
        InvalidSettings: the output is no address of a bucket.
        StoreFailed: the bucket does not answer.
    """
    address = _address_of(output)
    before = RunRecord(open_store(address, environment)).read()
    asked_at = records.now()
    return {
        "run_id": before.run_id if before else keys.run_id(notebook_id, asked_at, uuid.uuid4().hex),
        "attempt": before.attempt + 1 if before else 1,
        "output": address,
        "asked_at": records.moment(asked_at),
    }


def _entry(path: Path | None, document: Document, address: str, *, wanted: bool) -> Notebook:
    """The notebook as a catalogue would have it: by the spec beside it, else by its parameters cell."""
    if path is not None and (path.parent / SPEC_FILE).is_file():
        entry = load_notebook(path.parent)
        if not entry.source.startswith(("http:", "https:", "s3:")) and Path(entry.source).samefile(path):
            return entry
    name = _name_of(address)
    cell = next((cell for cell in document.get("cells", ()) if PARAMETERS_TAG in tags_of(cell)), None)
    if cell is None:
        # It names no inputs, which is not to say that it takes none: as with papermill, what is given comes first.
        return Notebook(id=name, source=address, open_inputs=True)
    if (language_of(document) or "python") not in ("python", "ipython"):
        return Notebook(id=name, source=address, open_inputs=True)
    try:
        return Notebook(id=name, source=address, inputs=infer_inputs(source_of(cell)), inputs_inferred=True)
    except CellSyntaxError as error:
        if not wanted:
            return Notebook(id=name, source=address, open_inputs=True)  # it will fail, as a record can tell
        fault = Fault(f"line {error.line} of its parameters cell", str(error))
        raise InvalidRequest(f"{shown(address)}: the parameters cell is not Python", [fault]) from error


def _parameters(entry: Notebook, given: Given) -> dict[str, JsonValue]:
    """Values and texts together, typed; every fault of both is named."""
    faults = [Fault(name, "is given twice, as a text and in the file") for name in given.texts if name in given.values]
    read: dict[str, JsonValue] = {}
    known = {item.name: item for item in entry.inputs}
    for name, text in given.texts.items():
        if name not in known and not entry.open_inputs:
            read[name] = text if isinstance(text, str) else list(text)  # whatever it is: there is no such input
            continue
        inputs = [known[name]] if name in known else []
        try:
            read |= resolve(inputs, {name: text}, "query", open_names=entry.open_inputs, what=_what(entry))
        except InvalidRequest as error:
            faults += error.faults
    told = {_input_of(fault.where) for fault in faults}
    try:
        values = entry.resolve({**given.values, **read})
    except InvalidRequest as error:
        # What could not be read above is missing here for that reason alone.
        faults += [fault for fault in error.faults if _input_of(fault.where) not in told]
    if faults:
        raise InvalidRequest(f"{_what(entry)} cannot run with these parameters", faults)
    return values


def _limits(entry: Notebook, given: Limits | None) -> Limits:
    """The notebook's limits, but for those that were given."""
    own = entry.run.limits(whole(quantity(entry.run.memory)) if entry.run.memory is not None else None)
    return own.model_copy(update=given.model_dump(exclude_unset=True)) if given is not None else own


def _what(entry: Notebook) -> str:
    return f"Notebook '{entry.id}'"


def _input_of(where: str) -> str:
    """The input that a fault's place begins with: `bbox[2]` is about `bbox`."""
    return where.split("[", 1)[0].split(".", 1)[0]


def _name_of(address: str) -> str:
    parts = [part for part in urlsplit(address).path.split("/") if part]
    stem = unquote(parts[-1]).removesuffix(".ipynb") if parts else ""
    if stem == "notebook" and len(parts) > 1:
        stem = unquote(parts[-2])
    return stem if stem and id_fault(stem) is None else keys.slug(stem)


def _path_of(address: str) -> Path | None:
    parts = address_parts(address)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(address) if not parts.scheme else None


def _address_of(output: str) -> str:
    """The output as a URL; a path becomes one, so that the record says the same from wherever it is read."""
    try:
        scheme = urlsplit(output).scheme
    except ValueError:
        return output  # opening it says what is wrong with it
    if scheme:
        return output.rstrip("/")
    return Path(output).absolute().as_uri()
