"""Entries that cannot be used, with the file, the line and the reason of each fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from daybook.catalogue.documents import Lines, Unreadable
from daybook.catalogue.model import FoundFault, Path
from daybook.contract.errors import Fault


@dataclass(frozen=True)
class BrokenEntry:
    """A catalogue entry that is not as it must be; the others stay usable.

    Attributes:
        id: the entry's id, or what stands for it where it has none.
        file: the file a person would mend.
        line: the line of the first fault, from 1, where one is known.
        faults: everything that is wrong; each `where` is a path of keys and its line.
    """

    id: str
    file: str
    line: int | None
    faults: tuple[Fault, ...]

    @property
    def place(self) -> str:
        """The file, and the line where one is known, as editors open them."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @property
    def reason(self) -> str:
        """Every fault in one line."""
        return "; ".join(str(fault) for fault in self.faults)

    def __str__(self) -> str:
        return f"{self.id} ({self.place}): {self.reason}"


def _nowhere(_: Path) -> int | None:
    return None


@dataclass(frozen=True)
class Document:
    """A file that entries come from, and how to find the line of anything in it."""

    file: str
    line_of: Callable[[Path], int | None] = _nowhere

    @classmethod
    def with_lines(cls, file: str, lines: Lines) -> Document:
        """Return a document whose lines are known; of a path that is not there, the nearest part counts."""

        def line_of(path: Path) -> int | None:
            return next((lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in lines), None)

        return cls(file, line_of)

    def broken(self, entry_id: str, faults: Iterable[FoundFault]) -> BrokenEntry:
        """Return the entry that these faults break."""
        lines: list[int] = []
        told: list[Fault] = []
        for path, message in faults:
            line = self.line_of(path)
            where = ".".join(map(str, path))
            if line is not None:
                lines.append(line)
                where = f"{where} (line {line})".strip()
            told.append(Fault(where, message))
        return BrokenEntry(entry_id, self.file, min(lines, default=None), tuple(told))


class Broken(Exception):
    """An entry cannot be used; raised where the fault is found, caught where the entry's id is known."""

    def __init__(self, document: Document, faults: Iterable[FoundFault]) -> None:
        self.document = document
        self.faults = tuple(faults)
        super().__init__("; ".join(message for _, message in self.faults))

    @classmethod
    def by(cls, file: object, error: Unreadable | OSError) -> Broken:
        """Return the failure of an entry one of whose files cannot be read."""
        if isinstance(error, OSError):
            return cls(Document(str(file)), [((), f"cannot be read: {error.strerror or error}")])
        line = error.line
        return cls(Document(str(file), lambda _: line), [((), str(error))])

    def entry(self, entry_id: str) -> BrokenEntry:
        """Return what the catalogue keeps of it."""
        return self.document.broken(entry_id, self.faults)
