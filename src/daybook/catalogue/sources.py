"""Where an entry's files are, kept within the catalogue's own folder, and what their notebooks take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daybook.catalogue.broken import Broken, Document
from daybook.catalogue.documents import Unreadable
from daybook.catalogue.infer import CellSyntaxError, infer_inputs
from daybook.catalogue.inputs import Input
from daybook.catalogue.notebook import digest_of, is_url
from daybook.catalogue.notebook_file import MAX_READ_BYTES, ParametersCell, line_in_file, read_notebook, sniff

MAX_MARKDOWN_BYTES = 500_000
"""Bytes of a description in Markdown; Airflow keeps it with every version of the DAG."""


@dataclass(frozen=True)
class Taken:
    """What a notebook takes, as far as its file tells.

    Attributes:
        inputs: the inputs inferred.
        open: whether it takes others too, since nothing declares them.
    """

    inputs: tuple[Input, ...]
    open: bool


def path_fault(text: str) -> str | None:
    """Return why a text is neither a path below the entry's folder nor a URL the runner fetches, or None."""
    if is_url(text):
        return None
    if "://" in text:
        return f"'{text}' must be a path or a URL that begins with http://, https:// or s3://, without credentials"
    if not text or "\0" in text:
        return "must be a path or a URL"
    return "must be a path relative to this file's folder" if Path(text).is_absolute() else None


def within(path: Path, root: Path) -> Path | None:
    """Return a path with all links followed, or None if it then lies outside of `root`, or nowhere.

    Raises:
        OSError: a part of it cannot be read.
    """
    try:
        found = path.resolve(strict=True)
    except RuntimeError:  # Python 3.11 and 3.12 tell a loop of links so
        return None
    return found if found.is_relative_to(root) else None


def source_of(text: str, folder: Path, root: Path) -> str:
    """Return the absolute path, or the URL, that a relative path or URL in a file of `folder` means.

    Raises:
        ValueError: it is none, lies outside of `root`, or is no file.
    """
    fault = path_fault(text)
    if fault:
        raise ValueError(fault)
    if is_url(text):
        return text
    try:
        found = within(folder / text, root)
    except OSError as error:
        raise ValueError(f"'{text}' cannot be read: {error.strerror}") from None
    if found is None:
        raise ValueError(f"'{text}' leads out of the catalogue's folder")
    if not found.is_file():
        raise ValueError(f"'{text}' is no file")
    return str(_lasting(found, root))


def _lasting(found: Path, root: Path) -> Path:
    """Return a file by the name that it has for good.

    A kubelet mounts a ConfigMap's files as links into a folder beside them, whose name begins with two dots and is
    another one after each change; by that no workspace could name a file that it allows.
    """
    named = root.joinpath(*(part for part in found.relative_to(root).parts if not part.startswith("..")))
    return named if named.exists() and named.samefile(found) else found


def markdown_of(source: str, title: str) -> str:
    """Return the text of a Markdown file, or a link to the one that a URL names.

    Raises:
        ValueError: the file cannot be read as text.
    """
    if is_url(source):
        return f"[{title or source}]({source})"
    try:
        content = Path(source).read_bytes()
        if len(content) > MAX_MARKDOWN_BYTES:
            raise ValueError(f"'{source}' is larger than {MAX_MARKDOWN_BYTES} bytes")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"'{source}' is not UTF-8 text: {error.reason}") from None
    except OSError as error:
        raise ValueError(f"'{source}' cannot be read: {error.strerror}") from None


def check_file(source: str, digest: str | None) -> None:
    """Look at a local notebook file whose inputs are declared elsewhere: briefly, or whole if it has a digest.

    Raises:
        Broken: it is not a notebook, or not the one with that digest.
    """
    if is_url(source):
        return
    path = Path(source)
    try:
        sniff(path)
        found = digest_of(path.read_bytes()) if digest is not None else None
        if found != digest:
            raise Unreadable(f"has not the digest that the catalogue names, but {found}")
    except (OSError, Unreadable) as error:
        raise Broken.by(source, error) from None


def taken_by(source: str) -> Taken:
    """Return what a notebook takes, from its parameters cell.

    Raises:
        Broken: it is not a notebook, or its parameters cell is not Python.
    """
    if is_url(source):
        return Taken((), open=True)
    path = Path(source)
    try:
        content = b"" if path.stat().st_size > MAX_READ_BYTES else path.read_bytes()
        if not content:
            sniff(path)
            raise Unreadable("is too large to read its parameters: clear its outputs, or name its inputs in spec.yaml")
        notebook = read_notebook(content)
    except (OSError, Unreadable) as error:
        raise Broken.by(source, error) from None
    if notebook.parameters is None:
        return Taken((), open=False)
    if not notebook.is_python:
        return Taken((), open=True)
    return Taken(_inferred(source, content, notebook.parameters), open=False)


def _inferred(source: str, content: bytes, cell: ParametersCell) -> tuple[Input, ...]:
    try:
        return infer_inputs(cell.source)
    except CellSyntaxError as error:
        line = line_in_file(content, cell, error.line)
        message = f"its parameters cell is not Python: {error}, line {error.line} of the cell"
        raise Broken(Document(source, lambda _: line), [((), message)]) from None
