"""A catalogue as a folder of folders: `<id>/notebook.ipynb` and, where wanted, `<id>/spec.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from daybook.catalogue import model
from daybook.catalogue.broken import Broken, BrokenEntry, Document
from daybook.catalogue.constraints import Choice, Items
from daybook.catalogue.documents import Unreadable, read_text, read_yaml
from daybook.catalogue.inputs import Input, InputSpec, name_fault
from daybook.catalogue.notebook import Notebook, NotebookSettings, NotRunnable, Schedule, id_fault
from daybook.catalogue.run_settings import RunSettings
from daybook.catalogue.sources import check_file, markdown_of, source_of, taken_by, within
from daybook.contract.errors import Fault, InvalidSettings

NOTEBOOK_FILE = "notebook.ipynb"
SPEC_FILE = "spec.yaml"
_NEARLY_SPEC_FILES = ("spec.yml", "spec.json", "Spec.yaml")

Loaded = tuple[Notebook | NotRunnable, Document]
"""An entry, and the file that a later fault of it is found in."""


class Spec(NotebookSettings):
    """What a `spec.yaml` may say. The folder's name is the notebook's id."""

    source: str | None = Field(
        None, description=f"The notebook, if not {NOTEBOOK_FILE}: a path within the catalogue, or a URL."
    )
    markdown_file: str | None = Field(None, description="A file that holds `markdown`.")
    inputs: dict[str, InputSpec] | None = Field(
        None, description="Inputs by name, each a type's name or a type with its limits; inferred when not given."
    )


def spec_schema() -> dict[str, Any]:
    """Return the JSON Schema of `spec.yaml`, for editors and other programs."""
    from pydantic.json_schema import GenerateJsonSchema

    class Plain(GenerateJsonSchema):
        def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
            return False  # "Minlength" tells no more than minLength

    schema = Spec.model_json_schema(by_alias=True, schema_generator=Plain)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "spec.yaml of a notebook"}


def load_folder(root: Path) -> Iterator[Loaded | BrokenEntry]:
    """Read each notebook folder of `root`, in the order of their names.

    Hidden folders, files, and folders with neither a notebook nor a spec are not entries.

    Raises:
        OSError: `root` cannot be listed.
    """
    real_root = root.resolve(strict=True)
    for folder in sorted(root.iterdir()):
        if folder.name.startswith("."):
            continue
        try:
            if _is_entry(folder):
                yield _load_entry(folder, real_root)
        except Broken as error:
            yield error.entry(folder.name)
        except OSError as error:
            yield Broken.by(folder, error).entry(folder.name)


def load_notebook(folder: Path) -> Notebook:
    """Read one notebook folder on its own, with its spec where there is one.

    Raises:
        InvalidSettings: it is not as it must be; every fault is named with its file and line.
    """
    try:
        loaded, _ = _load_entry(folder.absolute(), folder.resolve().parent)
    except Broken as error:
        entry = error.entry(folder.name)
        raise InvalidSettings(f"Notebook '{entry.id}' is broken", [Fault(entry.place, entry.reason)]) from None
    except OSError as error:
        raise InvalidSettings("cannot read the notebook", [Fault(str(folder), str(error.strerror))]) from None
    if not isinstance(loaded, Notebook):
        raise InvalidSettings(f"'{loaded.id}' cannot be run: it {loaded.reason}")
    return loaded


def _is_entry(folder: Path) -> bool:
    names = (NOTEBOOK_FILE, SPEC_FILE, *_NEARLY_SPEC_FILES)
    return any((folder / name).exists() or (folder / name).is_symlink() for name in names)


def _load_entry(folder: Path, root: Path) -> Loaded:
    if within(folder, root) is None:
        raise Broken(Document(str(folder)), [((), "is a link that leads out of the catalogue's folder")])
    fault = id_fault(folder.name)
    if fault:
        raise Broken(Document(str(folder)), [((), f"the folder's name is the notebook's id, and {fault}")])
    for name in _NEARLY_SPEC_FILES:
        if (folder / name).exists() and not (folder / SPEC_FILE).exists():
            raise Broken(Document(str(folder / name)), [((), f"must be named {SPEC_FILE}, or it is not read")])
    spec, document = _read_spec(folder, root)
    source = _source(spec, folder, root, document)
    return _notebook(spec, folder, root, source, document), document


def _read_spec(folder: Path, root: Path) -> tuple[Spec, Document]:
    path = folder / SPEC_FILE
    if not path.exists() and not path.is_symlink():
        return Spec(), Document(str(folder / NOTEBOOK_FILE))
    try:
        if within(path, root) is None:
            raise Unreadable("is a link that leads out of the catalogue's folder")
        data, lines = read_yaml(read_text(path.read_bytes()))
    except (Unreadable, OSError) as error:
        raise Broken.by(path, error) from None
    document = Document.with_lines(str(path), lines)
    try:
        spec = Spec.model_validate({} if data is None else data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise Broken(document, [*model.told(error, _model_at), *_name_faults(data)]) from None
    faults = _name_faults(data)
    if faults:
        raise Broken(document, faults)
    return spec, document


def _model_at(path: model.Path) -> type[model.Strict] | None:
    match path:
        case ():
            return Spec
        case ("run",):
            return RunSettings
        case ("schedule",):
            return Schedule
        case ("inputs", _):
            return InputSpec
        case ("inputs", _, *_, "items"):
            return Items
        case ("inputs", _, *_, "choices", int()):
            return Choice
    return None


def _name_faults(data: Any) -> list[model.FoundFault]:
    names = data.get("inputs") if isinstance(data, dict) else None
    faults = ((name, name_fault(name)) for name in (names if isinstance(names, dict) else {}))
    return [(("inputs", name), f"'{name}' {fault}") for name, fault in faults if fault]


def _source(spec: Spec, folder: Path, root: Path, document: Document) -> str:
    if spec.source is None and not (folder / NOTEBOOK_FILE).exists():
        raise Broken(document, [((), f"there is no {NOTEBOOK_FILE} beside it, and no source is named")])
    try:
        return source_of(spec.source or NOTEBOOK_FILE, folder, root)
    except ValueError as error:
        raise Broken(document, [(("source",), str(error))]) from None


def _notebook(spec: Spec, folder: Path, root: Path, source: str, document: Document) -> Notebook:
    if spec.inputs is None:
        taken = taken_by(source)
        inputs, open_inputs = taken.inputs, taken.open
    else:
        inputs = tuple(Input.named(name, item) for name, item in spec.inputs.items())
        open_inputs = False
    check_file(source, spec.digest)
    settings = {name: getattr(spec, name) for name in NotebookSettings.model_fields}
    settings["markdown"] = _markdown(spec, folder, root, document)
    try:
        return Notebook(
            id=folder.name,
            source=source,
            inputs=inputs,
            inputs_inferred=spec.inputs is None,
            open_inputs=open_inputs,
            defined_in=document.file,
            **settings,
        )
    except ValidationError as error:
        raise Broken(document, model.told(error, _model_at)) from None


def _markdown(spec: Spec, folder: Path, root: Path, document: Document) -> str:
    if spec.markdown_file is None:
        return spec.markdown
    try:
        if spec.markdown:
            raise ValueError("cannot stand beside markdown; keep one of them")
        return markdown_of(source_of(spec.markdown_file, folder, root), spec.title)
    except ValueError as error:
        raise Broken(document, [(("markdown_file",), str(error))]) from None
