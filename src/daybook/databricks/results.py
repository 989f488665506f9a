"""What a command came to, as Jupyter's messages. Pure: what must be fetched is fetched by a function that is given."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import Any
from urllib.parse import unquote_to_bytes

from databricks.sdk.service.compute import Results, ResultType

from daybook.databricks.tables import html_table, text_table

TRUNCATED = "Databricks cut this result: part of it is missing. Write what is large to a table or a file.\n"
_FILESTORE = "/FileStore"
_SVG = "image/svg+xml"


@dataclass(frozen=True)
class Message:
    """One message for the notebook's outputs.

    Attributes:
        kind: `stream` or `display_data`.
        content: as Jupyter wants it.
    """

    kind: str
    content: dict[str, Any] = field(default_factory=dict)


def stream(text: str, name: str = "stdout") -> Message:
    """Printed text."""
    return Message("stream", {"name": name, "text": text})


def display(data: dict[str, Any]) -> Message:
    """Something to look at, by media type."""
    return Message("display_data", {"data": data, "metadata": {}})


def messages_of(results: Results | None, told: str, fetch: Callable[[str], bytes | None]) -> list[Message]:
    """What a command that went well shows.

    Args:
        results: as Databricks tells them; None for none.
        told: text that was shown while it ran, and is not shown again.
        fetch: gets a file from the workspace's file store, by its path; None where it cannot be had.
    """
    if results is None:
        return []
    shown = _shown(results, told, fetch)
    return [*shown, stream(TRUNCATED, "stderr")] if results.truncated else shown


def _shown(results: Results, told: str, fetch: Callable[[str], bytes | None]) -> list[Message]:
    match results.result_type:
        case ResultType.TABLE:
            return [_table(results)]
        case ResultType.IMAGE:
            return _images([results.file_name], fetch)
        case ResultType.IMAGES:
            return _images(results.file_names or [], fetch)
        case ResultType.TEXT:
            return _text(results.data, told, bool(results.truncated))
        case _:
            data = results.data if results.data is not None else results.summary
            return _text(data, told, bool(results.truncated))


def _text(data: Any, told: str, cut: bool) -> list[Message]:
    text = "" if data is None else str(data)
    text = text[_shown_early(text, told, cut) :]
    return [stream(text)] if text else []


def _shown_early(text: str, told: str, cut: bool) -> int:
    """How much of the beginning of a result was shown while it grew; the result lacks the empty lines at the end."""
    both = len(commonprefix([text, told]))  # noqa: RUF071 - letters are meant
    return both if cut or not told[both:].strip() else 0


def _table(results: Results) -> Message:
    names = [str(column.get("name", "")) for column in results.schema or ()]
    rows = results.data if isinstance(results.data, list) else []
    return display({"text/html": html_table(names, rows), "text/plain": text_table(names, rows)})


def _images(references: list[str | None] | list[str], fetch: Callable[[str], bytes | None]) -> list[Message]:
    return [_image(reference, fetch) for reference in references if reference]


def _image(reference: str, fetch: Callable[[str], bytes | None]) -> Message:
    data: bytes | None
    if reference.startswith("data:"):
        media_type, data = _of_data_url(reference)
    else:
        media_type, data = mimetypes.guess_type(reference)[0] or "image/png", fetch(_FILESTORE + reference)
    if data is None:
        return stream("Databricks gave an image that cannot be had or read.\n", "stderr")
    if media_type == _SVG:
        return display({_SVG: data.decode("utf-8", "replace"), "text/plain": "<image>"})
    return display({media_type: base64.b64encode(data).decode("ascii"), "text/plain": "<image>"})


def _of_data_url(url: str) -> tuple[str, bytes | None]:
    header, _, payload = url.removeprefix("data:").partition(",")
    media_type, *parameters = header.split(";")
    if "base64" not in parameters:
        return media_type, unquote_to_bytes(payload)
    try:
        return media_type, base64.b64decode(payload, validate=True)
    except binascii.Error:
        return media_type, None
