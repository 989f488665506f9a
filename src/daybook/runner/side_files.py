"""Side files: output of cells that is too large for the notebook, which links to it."""

from __future__ import annotations

import base64
import binascii
import errno
import json
import mimetypes
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from daybook.contract.keys import AttemptKeys, digest, slug
from daybook.contract.manifest import SideFile
from daybook.storage.digests import sha256_of

_ENDINGS = {
    "application/geo+json": ".geojson",
    "application/javascript": ".js",
    "application/pdf": ".pdf",
    "image/jpeg": ".jpg",
    "image/svg+xml": ".svg",
    "text/latex": ".tex",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "application/x-ndjson": ".jsonl",
}
_MEDIA_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9][A-Za-z0-9.+_-]{0,100}")
_UNKNOWN_MEDIA_TYPE = "application/octet-stream"
_USUAL = frozenset({"stdout", "stderr", "outputs"})
_DISK_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class SideFiles:
    """Files in a local folder, by name; they go to the bucket when the run is recorded.

    A disk that takes no more, or not this file, is told of once; what it does not take is lost, and the notebook's link
    says so.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._open: dict[str, BinaryIO] = {}
        self._made: dict[str, tuple[int, str]] = {}
        self._failed: set[str] = set()
        self._full = False
        self._told: set[str] = set()

    def begin(self, index: int, name: str, media_type: str) -> str:
        """The name of a new file for output of a cell; an older one of the cell's with that name is given up."""
        self.drop_one(name)
        # A kernel may call its content whatever it likes; what goes on to other programs is of the usual form.
        self._made[name] = (index, media_type if _MEDIA_TYPE.fullmatch(media_type) else _UNKNOWN_MEDIA_TYPE)
        return name

    def append(self, name: str, data: bytes) -> bool:
        """Adds to a file; False where the disk did not take it."""
        if self._full or name in self._failed:
            return False
        try:
            if name not in self._open:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._open[name] = (self._folder / name).open("ab")
            self._open[name].write(data)
        except OSError as error:
            self._failed.add(name)
            self._full = error.errno in _DISK_IS_FULL
            self._tell(error.strerror or str(error))
            return False
        return True

    def _tell(self, why: str) -> None:
        if why not in self._told:
            self._told.add(why)
            self._say(f"output that is too large for the notebook cannot be kept: {why}")

    def end(self, name: str) -> None:
        """Nothing comes for a while; the file is closed."""
        file = self._open.pop(name, None)
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self._say(f"the end of {name} cannot be kept: {error.strerror or error}")

    def drop(self, index: int) -> None:
        """The cell's output was cleared: its files go."""
        for name in [name for name, (cell, _) in self._made.items() if cell == index]:
            self.drop_one(name)

    def drop_one(self, name: str) -> None:
        """What the file holds is shown no longer: it goes."""
        self.end(name)
        self._made.pop(name, None)
        self._failed.discard(name)
        with suppress(OSError):
            (self._folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing comes any more; closing twice is fine."""
        for name in list(self._open):
            self.end(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def collected(self, keys: AttemptKeys) -> list[tuple[Path, SideFile]]:
        """The files that are there, as the manifest lists them."""
        self.close()
        found = []
        for name, (index, media_type) in sorted(self._made.items()):
            path = self._folder / name
            with suppress(FileNotFoundError):
                size, sha256 = path.stat().st_size, sha256_of(path)
                listed = SideFile(cell=index, key=keys.side_file(name), size=size, sha256=sha256, media_type=media_type)
                found.append((path, listed))
        return found


def name_of(index: int, what: str | int, media_type: str) -> str:
    """The name of a side file: of a cell, and of what in it; whatever that is called, the name is a harmless one."""
    if isinstance(what, str) and what not in _USUAL:
        what = f"{slug(what)}-{digest(what)}"
    return f"cell-{index}-{what}{_ending(media_type)}"


def content_of(media_type: str, content: Any) -> bytes:
    """What a side file holds of one entry of an output: images as images, not as base64."""
    if not isinstance(content, str):
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")
    if is_base64(media_type):
        with suppress(binascii.Error, ValueError):
            return base64.b64decode(content)
    return content.encode("utf-8", "backslashreplace")


def size_of(media_type: str, content: Any) -> int:
    """How large an entry of an output is, in bytes: an image as the image it is, not as base64."""
    if not isinstance(content, str):
        return len(json.dumps(content))
    if is_base64(media_type):
        return len(content) * 3 // 4
    return text_size(content)


def text_size(text: str) -> int:
    """The bytes of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "backslashreplace"))


def is_base64(media_type: str) -> bool:
    """Whether Jupyter's messages carry this kind of content as base64."""
    kind = media_type.partition("/")[0]
    return (kind in ("image", "audio", "video") and media_type != "image/svg+xml") or media_type == "application/pdf"


def is_json(media_type: str) -> bool:
    """Whether entries of this kind are JSON values, not texts."""
    return media_type == "application/json" or media_type.endswith("+json")


def _ending(media_type: str) -> str:
    if media_type.endswith("+json"):
        return ".json"
    return _ENDINGS.get(media_type) or mimetypes.MimeTypes(filenames=()).guess_extension(media_type) or ".bin"
