"""Takes what a kernel says into the notebook: without secrets, within limits, and with a note of what has changed.

What a message means is nbclient's to know; this adds what a record needs.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nbclient import NotebookClient

from daybook.runner import cells
from daybook.runner.capping import OutputCap
from daybook.runner.changes import Changes
from daybook.runner.redaction import Redactor, StreamRedactor
from daybook.runner.side_files import is_base64, is_json

_RICH = frozenset({"display_data", "execute_result", "update_display_data"})
_SHOWN = frozenset({"stream", "display_data", "execute_result", "error"})
_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "display_data": {"data": {}, "metadata": {}},
    "execute_result": {"data": {}, "metadata": {}, "execution_count": None},
    "error": {"ename": "", "evalue": "", "traceback": []},
}
"""What an output of each kind has, and what stands for what a kernel leaves out."""
_UNTOUCHED = frozenset({"status", "execute_input", "clear_output"})
_PICTURE_CHARACTERS = 1_024
"""Fewest characters of a picture in which secrets are not looked for; what is shorter may be one by itself."""
_BASE64 = bytes(string.ascii_letters + string.digits + "+/=\r\n", "ascii")


@dataclass(frozen=True)
class Keeping:
    """What stands between a kernel's messages and the notebook.

    Attributes:
        changes: takes note of every change.
        cap: decides what of an output stays in the notebook.
        redactor: takes secrets out.
        printed: takes what cells print, for the log.
        say: takes a line for the log.
    """

    changes: Changes
    cap: OutputCap
    redactor: Redactor
    printed: Callable[[str], None]
    say: Callable[[str], None]


@dataclass
class _OpenStream:
    """The text output that a cell goes on printing to; its parts are joined when somebody looks."""

    output: Any
    length: int
    parts: list[str] = field(default_factory=list)


class MessageTaker(NotebookClient):  # type: ignore[misc]  # nbclient is not checked
    """The notebook as a kernel's messages change it."""

    def __init__(self, notebook: Any, keeping: Keeping) -> None:
        super().__init__(notebook, store_widget_state=True, record_timing=True)
        self._keeping = keeping
        self._open: _OpenStream | None = None
        self._held: dict[tuple[int, str], StreamRedactor] = {}
        self._to_clear: set[int] = set()
        self.clear_before_next_output = False  # nbclient looks at it; here every cell has a wish of its own

    def take(self, message: dict[str, Any], cell: Any, index: int) -> None:
        """Takes in one message that the kernel published on behalf of a cell.

        Raises:
            CellExecutionComplete: it says that the cell is done.
        """
        kind = message["msg_type"]
        content = well_formed(kind, message["content"])
        if content is None:
            return
        message = {**message, "content": content}
        if kind in _SHOWN and index in self._to_clear and not self._hooked(message):
            self._clear(cell, index)
        count = len(cell.outputs)
        try:
            if kind == "stream" and not self._hooked(message):
                self._print(cell, index, content)
            else:
                self.settle()
                kept = self._kept(message, index)
                if kept is not None:
                    self.process_message(kept, cell, index)
        finally:
            self._keeping.changes.note(index, min(count, len(cell.outputs)))

    def finish(self, cell: Any, index: int) -> None:
        """The cell is done: what was held back of its texts, and the last words of what was capped, come now."""
        for (of, name), held in list(self._held.items()):
            if of == index:
                self._append(cell, index, name, held.flush())
        self.settle()
        self._open = None
        count = len(cell.outputs)
        cell.outputs.extend(self._keeping.cap.tail(index))
        self._keeping.changes.note(index, count)

    def settle(self) -> None:
        """Brings the text of the open stream into the notebook; cheap to call, and to be called before it is saved."""
        if self._open is not None and len(self._open.parts) > 1:
            self._open.output.text = "".join(self._open.parts)
            self._open.parts = [self._open.output.text]

    def kept_error(self, index: int, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the notebook may hold of an exception."""
        redacted = self._keeping.redactor.json(dict(content))
        return self._keeping.cap.error(index, redacted, last=True) or redacted

    def add(self, cell: Any, index: int, output: Any) -> None:
        """Adds an output that no message carries."""
        self.settle()
        self._keeping.changes.note(index, len(cell.outputs))
        cell.outputs.append(output)

    def handle_comm_msg(self, outs: list[Any], msg: dict[str, Any], cell_index: int) -> None:
        """Takes in what the kernel says to a widget; what makes no sense is told of and passed over."""
        try:
            super().handle_comm_msg(outs, msg, cell_index)
        except Exception as error:  # noqa: BLE001 - a notebook may send anything, and nbclient expects all to be in order
            self._keeping.say(f"a widget's message makes no sense and was passed over: {error!r}")

    def clear_output(self, outs: list[Any], msg: dict[str, Any], cell_index: int) -> None:
        """Clears a cell's output, or notes that its next output replaces what is there."""
        if self._hooked(msg):
            super().clear_output(outs, msg, cell_index)
        elif msg["content"].get("wait"):
            self._to_clear.add(cell_index)
        else:
            self._clear(self.nb.cells[cell_index], cell_index)

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        """Adds what a message shows to a cell's outputs, or to those of the Output widget that takes them."""
        fields = _FIELDS.get(msg["msg_type"])
        if fields is None or self._hooked(msg):
            return super().output(outs, msg, display_id, cell_index)
        content = msg["content"]
        output = cells.output_of(msg["msg_type"], **{name: content.get(name, each) for name, each in fields.items()})
        if display_id:
            self._display_id_map.setdefault(display_id, {}).setdefault(cell_index, []).append(len(outs))
        outs.append(output)
        return output

    def _update_display_id(self, display_id: str, msg: dict[str, Any]) -> None:
        super()._update_display_id(display_id, msg)
        for index, positions in self._display_id_map.get(display_id, {}).items():
            if positions:
                self._keeping.changes.note(index, min(positions))

    def _clear(self, cell: Any, index: int) -> None:
        self._to_clear.discard(index)
        self._open = None
        cell.outputs[:] = []
        self.clear_display_id_mapping(index)
        self._keeping.cap.cleared(index)
        self._keeping.changes.note(index, 0)

    def _print(self, cell: Any, index: int, content: Mapping[str, Any]) -> None:
        name, text = content["name"], content["text"]
        if self._keeping.redactor:
            key = (index, name)
            if key not in self._held:
                self._held[key] = self._keeping.redactor.stream()
            text = self._held[key].feed(text)
        self._append(cell, index, name, text)

    def _append(self, cell: Any, index: int, name: str, text: str) -> None:
        if not text:
            return
        begins = not self._goes_on(cell, name)
        before = partial(self._printed_so_far, cell, name)
        kept, link = self._keeping.cap.stream(index, name, text, before, begins=begins)
        if kept:
            self._keeping.printed(kept)
            self._grow(cell, index, name, kept)
        if link is not None:
            self.settle()
            self._open = None
            cell.outputs.append(link)

    def _grow(self, cell: Any, index: int, name: str, text: str) -> None:
        """Texts that follow one another on one stream become one, as Jupyter shows them."""
        opened = self._open
        if opened is not None and self._goes_on(cell, name):
            self._keeping.changes.note(index, len(cell.outputs) - 1, opened.length)
            opened.parts.append(text)
            opened.length += len(text)
            return
        self.settle()
        output = cells.output_of("stream", name=name, text=text)
        cell.outputs.append(output)
        self._open = _OpenStream(output, len(text), [text])

    def _goes_on(self, cell: Any, name: str) -> bool:
        """Whether text on a stream belongs to the cell's last output."""
        last = cell.outputs[-1] if cell.outputs else None
        return self._open is not None and last is self._open.output and bool(last["name"] == name)

    def _printed_so_far(self, cell: Any, name: str) -> str:
        self.settle()
        return "".join(each.text for each in cell.outputs if each.output_type == "stream" and each.name == name)

    def _kept(self, message: dict[str, Any], index: int) -> dict[str, Any] | None:
        """The message with what the notebook may hold of it; None where that is nothing."""
        kind = message["msg_type"]
        if kind in _UNTOUCHED:
            return message
        redacted = self._keeping.redactor.json
        content: dict[str, Any] | None
        if kind in _RICH:
            data = message["content"]["data"]
            # Letters in an image's base64 mean nothing, and a short secret turns up among a million of them.
            pictures = {name: each for name, each in data.items() if is_picture(name, each)}
            texts = redacted({name: each for name, each in data.items() if name not in pictures})
            texts.update((redacted(name), each) for name, each in pictures.items())
            rest = redacted({name: each for name, each in message["content"].items() if name != "data"})
            content = self._keeping.cap.rich(index, kind, {**rest, "data": texts})
        else:
            content = redacted(message["content"])
            if kind == "error":
                content = self._keeping.cap.error(index, content or {})
        return None if content is None else {**message, "content": content}

    def _hooked(self, message: Mapping[str, Any]) -> bool:
        """Whether an Output widget takes the cell's output."""
        return bool(self.output_hook_stack[message["parent_header"].get("msg_id")])


def is_picture(media_type: str, content: Any) -> bool:
    """Whether an entry of an output is a picture (sound, film) in base64, by what it is called and what it is."""
    if not is_base64(media_type) or not isinstance(content, str) or len(content) < _PICTURE_CHARACTERS:
        return False
    return content.isascii() and not content.encode().translate(None, _BASE64)


def well_formed(kind: str, content: Any) -> dict[str, Any] | None:
    """A message's content as the protocol wants it, as far as it can be had; None where nothing can be made of it."""
    if not isinstance(content, dict):
        return None
    if kind == "stream":
        text = _joined(content.get("text"))
        name = content.get("name")
        return {"name": name if isinstance(name, str) and name else "stdout", "text": text} if text else None
    if kind in _RICH:
        return {**content, **_rich(content)}
    if kind == "error":
        trace = content.get("traceback")
        lines = [str(line) for line in trace] if isinstance(trace, list) else []
        words = {name: _joined(content.get(name)) for name in ("ename", "evalue")}
        return {**content, **words, "traceback": lines}
    if kind == "status" and "execution_state" not in content:
        return None
    if kind.startswith("comm") and not _is_comm(kind, content):
        return None
    return content


def _rich(content: Mapping[str, Any]) -> dict[str, Any]:
    data, metadata, transient = (_object(content.get(name)) for name in ("data", "metadata", "transient"))
    if not isinstance(transient.get("display_id", ""), str):
        del transient["display_id"]
    texts = {name: each if is_json(name) else _joined(each) for name, each in data.items() if each is not None}
    return {"data": texts, "metadata": metadata, "transient": transient}


def _is_comm(kind: str, content: Mapping[str, Any]) -> bool:
    """Whether a widget's message has what nbclient takes for granted."""
    data = content.get("data")
    if not isinstance(content.get("comm_id"), str) or not isinstance(data, dict):
        return False
    return isinstance(data.get("state"), dict) if "state" in data or kind == "comm_open" else True


def _object(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _joined(value: Any) -> str:
    """A text, which may come as a list of its lines."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return "" if value is None else json.dumps(value, ensure_ascii=False)
