"""The one folder on the driver, and the documents in it."""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from contextlib import suppress
from typing import Any


class Refused(Exception):
    """It cannot be done; the text says why."""


class Base:
    """The folder that everything of one kernel lies in.

    Args:
        name: its name among the driver's temporary folders.
    """

    def __init__(self, name: str) -> None:
        if not re.match(r"daybook-[a-z0-9-]+\Z", name):
            raise Refused(f"{name!r} is no name of a folder of ours")
        self.path = os.path.join(os.fsencode(tempfile.gettempdir()), name.encode())

    def of(self, *parts: str) -> bytes:
        """The path of something in it."""
        return os.path.join(self.path, *(part.encode() for part in parts))

    def is_there(self) -> bool:
        """Whether it is. A link, somebody else's folder or one that others may look into is not taken for ours."""
        try:
            told = os.lstat(self.path)
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(told.st_mode) or told.st_uid != os.getuid() or told.st_mode & 0o077:
            raise Refused(f"{os.fsdecode(self.path)} is not the private folder that was made for the files")
        return True

    def make(self) -> None:
        """Makes it, unless it is there."""
        if not self.is_there():
            os.mkdir(self.path, 0o700)
        for part in ("files", "blocks", "incoming"):
            with suppress(FileExistsError):
                os.mkdir(self.of(part), 0o700)

    def generation(self) -> str | None:
        """Which state the files are in; None if it is not known, or their folder is not the one that was filled."""
        told = self.read("generation") if self.is_there() else None
        return told[0] if told and told[1] == self._number_of_files() else None

    def note_generation(self, generation: str) -> None:
        """Notes that the files are in this state."""
        self.write("generation", [generation, self._number_of_files()])

    def _number_of_files(self) -> int | None:
        try:
            told = os.lstat(self.of("files"))
        except FileNotFoundError:
            return None
        return told.st_ino if stat.S_ISDIR(told.st_mode) else None

    def read(self, name: str) -> Any:
        """A document of ours; None if there is none."""
        try:
            with open(self.of(name), "rb") as file:
                return json.loads(file.read())
        except FileNotFoundError:
            return None

    def write(self, name: str, document: Any) -> None:
        """Writes one, in one step."""
        with open(self.of("incoming", name), "w") as file:
            json.dump(document, file)
        os.replace(self.of("incoming", name), self.of(name))

    def forget(self, name: str) -> None:
        """Removes one, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self.of(name))

    def clear(self, part: str) -> None:
        """Removes what lies in `blocks` or `incoming`."""
        for name in os.listdir(self.of(part)):
            os.unlink(os.path.join(self.of(part), name))
