"""The files a notebook wrote into its outputs folder."""

from __future__ import annotations

import mimetypes
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daybook.contract.errors import StoreFailed

DEFAULT_MEDIA_TYPE = "application/octet-stream"
_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".geojson": "application/geo+json",
    ".ipynb": "application/x-ipynb+json",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".tif": "image/tiff",
    ".webp": "image/webp",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


@dataclass(frozen=True)
class OutputFile:
    """A file to be published.

    Attributes:
        path: relative to the outputs folder, POSIX.
        file: where it lies.
        size: bytes.
        media_type: by its name's ending.
    """

    path: str
    file: Path
    size: int
    media_type: str


def collect(folder: Path, say: Callable[[str], None]) -> list[OutputFile]:
    """Every file below a folder, by path. What is no plain file of the folder is passed over, and told of.

    Links are followed as long as they stay inside.

    Raises:
        StoreFailed: a file cannot be read.
    """
    if not folder.is_dir():
        return []  # the notebook took it away
    root = folder.resolve()
    return [_described(path, file) for path, file in sorted(_files(folder, root, say))]


def _files(folder: Path, root: Path, say: Callable[[str], None]) -> Iterator[tuple[str, Path]]:
    for here, folders, names in os.walk(folder, onerror=_raise):
        for name in [each for each in folders if Path(here, each).is_symlink()]:
            say(f"output {_relative(Path(here, name), folder)} is a link to a folder and was left out")
        for name in names:
            path = Path(here, name)
            relative = _relative(path, folder)
            fault = _fault(path, root, relative)
            if fault:
                say(f"output {relative!a} {fault} and was left out")
            else:
                yield relative, path.resolve()


def _fault(path: Path, root: Path, relative: str) -> str | None:
    try:
        relative.encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    if any(ord(letter) < ord(" ") for letter in relative):
        return "has a name that no bucket takes"
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "is a link that leads nowhere"
    if not target.is_relative_to(root):
        return "is a link that leads out of the outputs folder"
    if not stat.S_ISREG(target.stat().st_mode):
        return "is no plain file"
    return None


def _described(path: str, file: Path) -> OutputFile:
    try:
        size = file.stat().st_size
    except OSError as error:
        raise StoreFailed(f"cannot read output {path}: {error.strerror or error}") from error
    return OutputFile(path, file, size, media_type(path))


def media_type(path: str) -> str:
    """The media type that a file's name tells, the same on every machine."""
    known = _MEDIA_TYPES.get(Path(path).suffix.lower())
    # Without files: those of the machine would make the record depend on it.
    return known or mimetypes.MimeTypes(filenames=()).guess_type(path)[0] or DEFAULT_MEDIA_TYPE


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _raise(error: OSError) -> None:
    raise StoreFailed(f"cannot read the outputs folder: {error.strerror or error}")
