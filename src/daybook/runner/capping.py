"""How much output the notebook itself holds: what is beyond goes to side files, and the notebook links to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from daybook.contract.request import Limits
from daybook.runner.cells import output_of
from daybook.runner.side_files import SideFiles, content_of, name_of, size_of, text_size

TAIL_CHARACTERS = 4_000
"""How much of the end of a capped text the notebook shows after the link, since that is where things go wrong."""
ERROR_BYTES = 64 * 1024
"""How much of an exception's text, and of its traceback, stays where all of it is too large."""
_TEXT, _RICH = "text", "rich"


@dataclass
class _Overflow:
    """A stream of a cell that goes to a side file by now."""

    name: str
    kept: bool
    size: int = 0
    tail: str = ""


@dataclass
class _Cell:
    used: dict[str, int] = field(default_factory=lambda: {_TEXT: 0, _RICH: 0})
    streams: dict[str, _Overflow] = field(default_factory=dict)
    parts: int = 0


class OutputCap:
    """The limits of one run, and what is used of them by now.

    Text (streams, plain text, tracebacks) and everything else (images, HTML) are counted apart, by cell and for the
    run. What is cleared, or replaced by its display id, no longer counts.
    """

    def __init__(self, limits: Limits, files: SideFiles, say: Callable[[str], None]) -> None:
        self._limits = limits
        self._files = files
        self._say = say
        self._used = {_TEXT: 0, _RICH: 0}
        self._cells: dict[int, _Cell] = {}
        self._displayed: dict[str, tuple[int, dict[str, int]]] = {}

    def stream(self, index: int, name: str, text: str, before: Callable[[], str]) -> tuple[str, Any]:
        """What stays of a text on a stream, and an output that links to the rest where the limit is being crossed.

        Args:
            index: the cell.
            name: `stdout` or `stderr`.
            text: what came.
            before: gives what the cell holds of that stream so far.
        """
        cell = self._cell(index)
        overflow = cell.streams.get(name)
        if overflow is not None:
            self._more(overflow, text)
            return "", None
        room = self._room(cell, _TEXT)
        size = text_size(text)
        if size <= room:
            self._use(cell, _TEXT, size)
            return text, None
        kept = _cut(text, room)
        self._use(cell, _TEXT, text_size(kept))
        file = self._files.begin(index, name_of(index, name, "text/plain"), "text/plain")
        overflow = cell.streams[name] = _Overflow(file, kept=True)
        self._more(overflow, before() + text)
        self._say(f"cell at {index} prints more than the notebook may hold; all of its {name} goes to side/{file}")
        what = f"{name} of this cell is longer than the notebook may hold: the whole of it"
        return kept, self._link(overflow.name, what, overflow.kept)

    def tail(self, index: int) -> list[Any]:
        """The last words of what was capped, as outputs to be put at the cell's end."""
        outputs = []
        for name, overflow in self._cell(index).streams.items():
            self._files.end(overflow.name)
            if overflow.tail:
                lead = f"[… {overflow.size:,} bytes in all, these are the last]\n"
                outputs.append(output_of("stream", name=name, text=lead + overflow.tail))
                overflow.tail = ""
        return outputs

    def data(self, index: int, data: Mapping[str, Any], display_id: str | None = None) -> dict[str, Any]:
        """What stays of a rich output's entries by media type; entries that are too large become a link."""
        cell = self._cell(index)
        self._forget(display_id)
        kept: dict[str, Any] = {}
        links: list[str] = []
        used = {_TEXT: 0, _RICH: 0}
        for media_type, content in data.items():
            kind = _TEXT if media_type == "text/plain" else _RICH
            size = size_of(media_type, content)
            if size <= self._room(cell, kind):
                self._use(cell, kind, size)
                used[kind] += size
                kept[media_type] = content
            else:
                links.append(self._aside(cell, index, media_type, content))
        if display_id is not None:
            self._displayed[display_id] = (index, used)
        return _linked(kept, links) if links else kept

    def error(self, index: int, content: Mapping[str, Any]) -> dict[str, Any]:
        """What stays of an exception: where all of it is too large, its beginning and its traceback's end."""
        cell = self._cell(index)
        trace = "\n".join(map(str, content.get("traceback") or ()))
        value = str(content.get("evalue", ""))
        size = text_size(trace) + text_size(value)
        if size <= self._room(cell, _TEXT):
            self._use(cell, _TEXT, size)
            return dict(content)
        link = self._aside(cell, index, "text/plain", trace or value)
        return {
            **content,
            "evalue": value[:ERROR_BYTES],
            "traceback": [f"[{link}]", *trace[-ERROR_BYTES:].splitlines()],
        }

    def cleared(self, index: int) -> None:
        """The cell's output is gone, and with it what was too large of it."""
        cell = self._cells.pop(index, None)
        self._displayed = {name: shown for name, shown in self._displayed.items() if shown[0] != index}
        if cell is not None:
            for kind, size in cell.used.items():
                self._used[kind] -= size
            if cell.streams or cell.parts:
                self._files.drop(index)

    def _aside(self, cell: _Cell, index: int, media_type: str, content: Any) -> str:
        data = content_of(media_type, content)
        cell.parts += 1
        name = self._files.begin(index, name_of(index, cell.parts, media_type), media_type)
        kept = self._files.append(name, data)
        self._files.end(name)
        return f"{media_type}, {len(data):,} bytes: {f'side/{name}' if kept else 'lost, the disk did not take it'}"

    def _more(self, overflow: _Overflow, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        overflow.kept = self._files.append(overflow.name, data) and overflow.kept
        overflow.size += len(data)
        overflow.tail = (overflow.tail + text[-TAIL_CHARACTERS:])[-TAIL_CHARACTERS:]

    def _link(self, name: str, what: str, kept: bool) -> Any:
        place = f"side/{name}" if kept else "lost, the disk did not take it"
        return output_of("display_data", data=_linked({}, [f"{what}: {place}"]), metadata={})

    def _cell(self, index: int) -> _Cell:
        return self._cells.setdefault(index, _Cell())

    def _room(self, cell: _Cell, kind: str) -> int:
        limits = self._limits
        return min(limits.cell_output_bytes - cell.used[kind], limits.output_bytes - self._used[kind])

    def _use(self, cell: _Cell, kind: str, size: int) -> None:
        cell.used[kind] += size
        self._used[kind] += size

    def _forget(self, display_id: str | None) -> None:
        """What an output of the same display id took is free again."""
        index, used = self._displayed.pop(display_id or "", (0, {}))
        for kind, size in used.items():
            self._use(self._cell(index), kind, -size)


def _linked(kept: dict[str, Any], links: list[str]) -> dict[str, Any]:
    """The entries that stay, with the links for readers of text and of HTML."""
    said = "\n".join(f"[{link}]" for link in links)
    pages = "".join(f"<p>{_anchored(link)}</p>" for link in links)
    plain = f"{kept['text/plain']}\n{said}" if "text/plain" in kept else said
    return {**kept, "text/plain": plain, "text/html": kept.get("text/html", "") + pages}


def _anchored(link: str) -> str:
    what, _, place = link.rpartition(": ")
    shown = f'<a href="{place}">{place}</a>' if place.startswith("side/") else place
    return f"{what}: {shown}"


def _cut(text: str, room: int) -> str:
    """As much of a text's beginning as there is room for, in whole lines if it has any."""
    kept = text[: max(room, 0)]
    if not kept.isascii():
        kept = kept.encode("utf-8", "backslashreplace")[: max(room, 0)].decode("utf-8", "ignore")
    whole = kept.rfind("\n") + 1
    return kept[:whole] if whole else kept
