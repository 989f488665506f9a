"""How blocks travel: few of them within commands; many as uploads, or within commands where uploads are closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from daybook.databricks.model import Remote
from daybook.databricks.sync.calling import Driver
from daybook.databricks.sync.packing import Pack, packs

COMMAND_BYTES = 640 * 1024
"""What goes into one command, before base64. How long one may be is not documented; 1 MiB is known to pass."""
BY_COMMANDS_BYTES = 2 * COMMAND_BYTES
"""Up to so much goes within commands: an upload, and the command by which the driver reads it, take as long."""

Reader = Callable[[Mapping[bytes, int]], Iterable[tuple[bytes, bytes]]]
"""Reads blocks, given by digest with their sizes."""


class NotThisWay(Exception):
    """A way is closed to this user or on this cluster; the text says why, as the end of a sentence."""


class Way(Protocol):
    """One way to the driver."""

    @property
    def pack_bytes(self) -> int:
        """How long a pack may be."""
        ...

    def carry(self, remote: Remote, packs: Iterable[Pack]) -> Iterator[Pack]:
        """Brings packs to the driver, and gives each back when it is there.

        Raises:
            NotThisWay: it is closed.
            SyncFailed: it did not work this time.
            RemoteFailed: the driver could not be asked.
        """
        ...


@dataclass(frozen=True)
class Commands:
    """Packs within commands: works wherever cells do."""

    driver: Driver
    pack_bytes: int = COMMAND_BYTES

    def carry(self, remote: Remote, packs: Iterable[Pack]) -> Iterator[Pack]:
        """One command for each."""
        for pack in packs:
            self.driver.ask(remote, "store", pack=pack.content, paths=[])
            yield pack


@dataclass
class Sender:
    """Chooses the way, and remembers which one is closed.

    Attributes:
        commands: the way that is always open.
        uploads: the other one.
        notes: what a person should know.
    """

    commands: Way
    uploads: Way | None
    notes: list[str] = field(default_factory=list, init=False)

    def send(self, remote: Remote, wanted: Mapping[bytes, int], read: Reader) -> int:
        """Sends blocks, and tells how many bytes travelled.

        Raises:
            FileChanged: by the reader.
            SyncFailed: they could not be sent; what arrived will not be asked for again.
            RemoteFailed: the driver could not be asked.
        """
        left, travelled = dict(wanted), 0
        if self.uploads is not None and sum(left.values()) > BY_COMMANDS_BYTES:
            try:
                for pack in self.uploads.carry(remote, packs(read(left), self.uploads.pack_bytes)):
                    travelled += _arrived(pack, left)
            except NotThisWay as error:
                self.uploads = None
                self.notes.append(f"The project's files travel within commands, which is slow: {error}")
        if left:
            for pack in self.commands.carry(remote, packs(read(left), self.commands.pack_bytes)):
                travelled += _arrived(pack, left)
        return travelled


def _arrived(pack: Pack, left: dict[bytes, int]) -> int:
    for digest in pack.digests:
        del left[digest]
    return len(pack.content)
