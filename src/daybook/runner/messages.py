"""Takes what a kernel says into the notebook: without secrets, within limits, and with a note of what has changed.

What a message means is nbclient's to know; this adds what a record needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbclient import NotebookClient

from daybook.runner import cells
from daybook.runner.capping import OutputCap
from daybook.runner.changes import Changes
from daybook.runner.redaction import Redactor, StreamRedactor
from daybook.runner.side_files import is_base64

_RICH = frozenset({"display_data", "execute_result", "update_display_data"})
_SHOWN = frozenset({"stream", "display_data", "execute_result", "error"})
_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "display_data": {"data": {}, "metadata": {}},
    "execute_result": {"data": {}, "metadata": {}, "execution_count": None},
    "error": {"ename": "", "evalue": "", "traceback": []},
}
"""What an output of each kind has, and what stands for what a kernel leaves out."""
_UNTOUCHED = frozenset({"status", "execute_input", "clear_output"})


@dataclass(frozen=True)
class Keeping:
    """What stands between a kernel's messages and the notebook.

    Attributes:
        changes: takes note of every change.
        cap: decides what of an output stays in the notebook.
        redactor: takes secrets out.
        printed: takes what cells print, for the log.
    """

    changes: Changes
    cap: OutputCap
    redactor: Redactor
    printed: Callable[[str], None]


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
        if kind in _SHOWN and index in self._to_clear and not self._hooked(message):
            self._clear(cell, index)
        count = len(cell.outputs)
        try:
            if kind == "stream" and not self._hooked(message):
                self._print(cell, index, message["content"])
            else:
                self.settle()
                self.process_message(self._kept(message, index), cell, index)
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
        return self._keeping.cap.error(index, self._keeping.redactor.json(content))

    def add(self, cell: Any, index: int, output: Any) -> None:
        """Adds an output that no message carries."""
        self.settle()
        self._keeping.changes.note(index, len(cell.outputs))
        cell.outputs.append(output)

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
        kept, link = self._keeping.cap.stream(index, name, text, lambda: self._printed_so_far(cell, name))
        if kept:
            self._keeping.printed(kept)
            self._grow(cell, index, name, kept)
        if link is not None:
            self.settle()
            self._open = None
            cell.outputs.append(link)

    def _grow(self, cell: Any, index: int, name: str, text: str) -> None:
        """Texts that follow one another on one stream become one, as Jupyter shows them."""
        last = cell.outputs[-1] if cell.outputs else None
        opened = self._open
        if opened is not None and last is opened.output and last["name"] == name:
            self._keeping.changes.note(index, len(cell.outputs) - 1, opened.length)
            opened.parts.append(text)
            opened.length += len(text)
            return
        self.settle()
        output = cells.output_of("stream", name=name, text=text)
        cell.outputs.append(output)
        self._open = _OpenStream(output, len(text), [text])

    def _printed_so_far(self, cell: Any, name: str) -> str:
        self.settle()
        return "".join(each.text for each in cell.outputs if each.output_type == "stream" and each.name == name)

    def _kept(self, message: dict[str, Any], index: int) -> dict[str, Any]:
        """The message with what the notebook may hold of it."""
        kind = message["msg_type"]
        if kind in _UNTOUCHED:
            return message
        redacted = self._keeping.redactor.json
        if kind in _RICH:
            content = message["content"]
            # Letters in an image's base64 mean nothing, and a short secret turns up among a million of them.
            data = {
                name: each if is_base64(name) else redacted(each) for name, each in (content.get("data") or {}).items()
            }
            display_id = (content.get("transient") or {}).get("display_id")
            rest = redacted({name: each for name, each in content.items() if name != "data"})
            return {**message, "content": {**rest, "data": self._keeping.cap.data(index, data, display_id)}}
        content = redacted(message["content"])
        if kind == "error":
            content = self._keeping.cap.error(index, content)
        return {**message, "content": content}

    def _hooked(self, message: Mapping[str, Any]) -> bool:
        """Whether an Output widget takes the cell's output."""
        return bool(self.output_hook_stack[message["parent_header"].get("msg_id")])
