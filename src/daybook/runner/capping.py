"""How much output the notebook itself holds: what is beyond goes to side files, and the notebook links to them."""

from __future__ import annotations

import html
import json
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
OUTPUT_OVERHEAD_BYTES = 500
"""What an output counts besides its content: so much do its frame in the notebook and its objects in memory take."""
UPDATE = "update_display_data"
"""The kind of message that changes outputs which are there already."""
_TEXT, _RICH = "text", "rich"
_LINES = "application/x-ndjson"


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
    rest: str | None = None
    shortened: bool = False


@dataclass
class _Display:
    """What the outputs of one display id take: of the cell that showed it first."""

    index: int
    outputs: int = 0
    used: dict[str, int] = field(default_factory=lambda: {_TEXT: 0, _RICH: 0})
    parts: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Link:
    """What is elsewhere, and where; None where the disk did not take it."""

    what: str
    name: str | None

    @property
    def place(self) -> str:
        return "lost, the disk did not take it" if self.name is None else f"side/{self.name}"

    @property
    def text(self) -> str:
        return f"[{self.what}: {self.place}]"

    @property
    def page(self) -> str:
        place = html.escape(self.place)
        shown = place if self.name is None else f'<a href="{place}">{place}</a>'
        return f"<p>{html.escape(self.what)}: {shown}</p>"


class OutputCap:
    """The limits of one run, and what is used of them by now.

    Text (streams, plain text, tracebacks) and everything else (images, HTML) are counted apart, by cell and for the
    run; every output counts its overhead too. What is cleared, or replaced by its display id, no longer counts.
    """

    def __init__(self, limits: Limits, files: SideFiles, say: Callable[[str], None]) -> None:
        self._limits = limits
        self._files = files
        self._say = say
        self._used = {_TEXT: 0, _RICH: 0}
        self._cells: dict[int, _Cell] = {}
        self._displayed: dict[str, _Display] = {}
        self._aside: dict[str, int] = {}

    def stream(
        self, index: int, name: str, text: str, before: Callable[[], str], *, begins: bool = True
    ) -> tuple[str, Any]:
        """What stays of a text on a stream, and an output that links to the rest where the limit is being crossed.

        Args:
            index: the cell.
            name: `stdout` or `stderr`; a kernel may think of others.
            text: what came.
            before: gives what the cell holds of that stream so far.
            begins: whether it needs an output of its own, since it does not go on from the last one.
        """
        cell = self._cell(index)
        overflow = cell.streams.get(name)
        if overflow is not None:
            self._more(overflow, text)
            return "", None
        overhead = OUTPUT_OVERHEAD_BYTES if begins else 0
        room = self._room(cell, _TEXT) - overhead
        size = text_size(text)
        if size <= room:
            self._use(cell, _TEXT, size + overhead)
            return text, None
        kept = _cut(text, room)
        self._use(cell, _TEXT, text_size(kept) + overhead if kept else 0)
        file = self._files.begin(index, name_of(index, name, "text/plain"), "text/plain")
        overflow = cell.streams[name] = _Overflow(file, kept=True)
        self._more(overflow, before() + text)
        self._say(f"cell at {index} prints more than the notebook may hold; all of its {name} goes to side/{file}")
        what = f"{name} of this cell is longer than the notebook may hold: the whole of it"
        link = _Link(what, overflow.name if overflow.kept else None)
        return kept, output_of("display_data", data=_linked({}, [link]), metadata={})

    def tail(self, index: int) -> list[Any]:
        """The last words of what was capped, as outputs to be put at the cell's end."""
        outputs = []
        cell = self._cell(index)
        if cell.rest is not None:
            self._files.end(cell.rest)
        for name, overflow in cell.streams.items():
            self._files.end(overflow.name)
            if overflow.tail:
                lead = f"[… {overflow.size:,} bytes in all, these are the last]\n"
                outputs.append(output_of("stream", name=name, text=lead + overflow.tail))
                overflow.tail = ""
        return outputs

    def rich(self, index: int, kind: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """What stays of a rich output, or of an update to one.

        Entries that are too large become a link to a side file each. Where there is no room for one more output, it
        goes as a whole to one file for all such outputs of the cell, to which the first of them becomes the link.

        Args:
            index: the cell.
            kind: the message's type.
            content: the message's content, with `data` by media type, `metadata` and perhaps `transient`.

        Returns:
            The message's content; None where nothing of it comes into the notebook.
        """
        display_id = content["transient"].get("display_id")
        display = self._displayed.get(display_id) if display_id else None
        if kind == UPDATE and display is None:
            if display_id in self._aside:
                self._put_aside(self._aside[display_id], kind, content)
            return None
        if kind != UPDATE:
            budget = _TEXT if content["data"].keys() <= {"text/plain"} else _RICH
            if self._room(self._cell(index), budget) < OUTPUT_OVERHEAD_BYTES:
                return self._beyond(index, kind, content, display_id)
            self._use(self._cell(index), budget, OUTPUT_OVERHEAD_BYTES)
        if display is None:
            display = _Display(index)
            if display_id:
                self._displayed[display_id] = display
        display.outputs += kind != UPDATE
        return {**content, **self._fitting(display, content["data"], content["metadata"])}

    def _beyond(
        self, index: int, kind: str, content: Mapping[str, Any], display_id: str | None
    ) -> dict[str, Any] | None:
        if display_id:
            self._aside[display_id] = index
        link = self._put_aside(index, kind, content)
        # Without its display id: nothing is to replace the link.
        return None if link is None else {**content, "data": _linked({}, [link]), "metadata": {}, "transient": {}}

    def _fitting(self, display: _Display, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
        """The entries for which there is room, and links to the others; what was shown in their place is given up."""
        cell = self._cell(display.index)
        old = self._given_up(cell, display)
        kept: dict[str, Any] = {}
        links: list[_Link] = []
        for media_type, content in data.items():
            size = size_of(media_type, content)
            if self._fits(cell, display, _TEXT if media_type == "text/plain" else _RICH, size, len(data) > 1):
                kept[media_type] = content
            else:
                links.append(self._part(cell, display, media_type, content, old))
        if metadata and not self._fits(cell, display, _TEXT, size_of("", metadata), True):
            links.append(self._part(cell, display, "application/json", metadata, old, "metadata"))
            metadata = {}
        return {"data": _linked(kept, links) if links else kept, "metadata": metadata}

    def _fits(self, cell: _Cell, display: _Display, kind: str, size: int, beside: bool) -> bool:
        """Whether there is room, which is taken then; a few words beside something else are part of the overhead."""
        if kind == _TEXT and beside and size <= OUTPUT_OVERHEAD_BYTES // 2:
            return True
        size *= display.outputs
        if size > self._room(cell, kind):
            return False
        self._use(cell, kind, size)
        display.used[kind] += size
        return True

    def error(self, index: int, content: Mapping[str, Any], *, last: bool = False) -> dict[str, Any] | None:
        """What stays of an exception: where all of it is too large, its beginning and its traceback's end.

        That is for one exception of a cell, and for the last; others that are too large go aside as rich outputs do.
        """
        cell = self._cell(index)
        trace = "\n".join(map(str, content.get("traceback") or ()))
        value = str(content.get("evalue", ""))
        size = text_size(trace) + text_size(value) + OUTPUT_OVERHEAD_BYTES
        if size <= self._room(cell, _TEXT):
            self._use(cell, _TEXT, size)
            return dict(content)
        if cell.shortened and not last:
            beyond = self._put_aside(index, "error", content)
            return None if beyond is None else {**content, "evalue": "", "traceback": [beyond.text]}
        cell.shortened = True
        link = self._part(cell, _Display(index), "text/plain", trace or value, [])
        return {
            **content,
            "evalue": value[:ERROR_BYTES],
            "traceback": [link.text, *trace[-ERROR_BYTES:].splitlines()],
        }

    def cleared(self, index: int) -> None:
        """The cell's output is gone, and with it what was too large of it."""
        cell = self._cells.pop(index, None)
        self._displayed = {name: shown for name, shown in self._displayed.items() if shown.index != index}
        self._aside = {name: at for name, at in self._aside.items() if at != index}
        if cell is not None:
            for kind, size in cell.used.items():
                self._used[kind] -= size
            if cell.streams or cell.parts or cell.rest is not None:
                self._files.drop(index)

    def _part(
        self, cell: _Cell, display: _Display, media_type: str, content: Any, free: list[int], what: str = ""
    ) -> _Link:
        """Puts an entry of an output into a file of its own, with a number that is free again, or the next."""
        data = content_of(media_type, content)
        if not free:
            cell.parts += 1
        number = free.pop(0) if free else cell.parts
        name = self._files.begin(display.index, name_of(display.index, number, media_type), media_type)
        kept = self._files.append(name, data)
        self._files.end(name)
        display.parts.append((number, name))
        return _Link(f"{what or media_type}, {len(data):,} bytes", name if kept else None)

    def _put_aside(self, index: int, kind: str, content: Mapping[str, Any]) -> _Link | None:
        """Adds an output to the file that holds the rest of a cell's; the first time, this gives the link to it."""
        cell = self._cell(index)
        first = cell.rest is None
        if cell.rest is None:
            cell.rest = self._files.begin(index, name_of(index, "outputs", _LINES), _LINES)
            self._say(f"cell at {index} shows more than the notebook may hold; the rest goes to side/{cell.rest}")
        line = json.dumps({"output_type": kind, **content}, ensure_ascii=False) + "\n"
        kept = self._files.append(cell.rest, line.encode("utf-8", "backslashreplace"))
        what = "this cell has more outputs than the notebook may hold: the rest, one on a line"
        return _Link(what, cell.rest if kept else None) if first else None

    def _more(self, overflow: _Overflow, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        overflow.kept = self._files.append(overflow.name, data) and overflow.kept
        overflow.size += len(data)
        overflow.tail = (overflow.tail + text[-TAIL_CHARACTERS:])[-TAIL_CHARACTERS:]

    def _cell(self, index: int) -> _Cell:
        return self._cells.setdefault(index, _Cell())

    def _room(self, cell: _Cell, kind: str) -> int:
        limits = self._limits
        return min(limits.cell_output_bytes - cell.used[kind], limits.output_bytes - self._used[kind])

    def _use(self, cell: _Cell, kind: str, size: int) -> None:
        cell.used[kind] += size
        self._used[kind] += size

    def _given_up(self, cell: _Cell, display: _Display) -> list[int]:
        """What a display took is free again; gives the numbers of its files."""
        for kind, size in display.used.items():
            self._use(cell, kind, -size)
            display.used[kind] = 0
        numbers = [number for number, _ in display.parts]
        for _, name in display.parts:
            self._files.drop_one(name)
        display.parts.clear()
        return numbers


def _linked(kept: dict[str, Any], links: list[_Link]) -> dict[str, Any]:
    """The entries that stay, with the links for readers of text and of HTML."""
    said = "\n".join(link.text for link in links)
    pages = "".join(link.page for link in links)
    plain = f"{kept['text/plain']}\n{said}" if "text/plain" in kept else said
    return {**kept, "text/plain": plain, "text/html": kept.get("text/html", "") + pages}


def _cut(text: str, room: int) -> str:
    """As much of a text's beginning as there is room for, in whole lines if it has any."""
    kept = text[: max(room, 0)]
    if not kept.isascii():
        kept = kept.encode("utf-8", "backslashreplace")[: max(room, 0)].decode("utf-8", "ignore")
    whole = kept.rfind("\n") + 1
    return kept[:whole] if whole else kept
