"""Daybook's side on the cluster's driver: sent there as text, with nothing but the standard library around it.

It makes `daybook.notebook` importable, keeps a private folder for outputs and results, and reads from it. Questions and
answers are JSON in base64, between marks, for whatever else the notebook prints meanwhile.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import tempfile
import types
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

FOLDER_PREFIX = "daybook-"
OUTPUTS, RESULTS = "outputs", "results.jsonl"
MAX_LISTED = 20_000
"""Files that are looked at: more than are fetched, and few enough that a runaway notebook costs no memory."""


class Here:
    """What is kept between two questions.

    Attributes:
        folder: the run's; None outside of one.
        found: what is in the outputs folder: each with its path, and its size or what is wrong with it.
        files: those of them that can be read, for `read` to name by their place.
    """

    folder: Path | None = None
    found: tuple[tuple[str, int | str], ...] = ()
    files: tuple[Path, ...] = ()


def answer(mark: str, question: str) -> None:
    """Prints the answer to a question between two marks."""
    asked = json.loads(base64.b64decode(question))
    found = _QUESTIONS[asked.pop("do")](**asked)
    text = base64.b64encode(zlib.compress(json.dumps(found).encode())).decode()
    print(f"\n[{mark}:{text}:{mark}]", flush=True)  # noqa: T201 - the one way back


def begin(
    modules: dict[str, str], variables: dict[str, str], in_run: bool, folder: str | None = None
) -> dict[str, Any]:
    """Makes modules importable and variables known; in a run, makes its folder and goes there.

    Args:
        modules: sources by name, packages before what is in them.
        variables: of the environment.
        in_run: whether outputs and results are kept.
        folder: the one made before, for a Python process that was started anew.
    """
    os.environ.update(variables)
    if in_run:
        before = Path(folder) if folder else None
        here = Here.folder = before if before and _is_ours(before) else Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
        (here / OUTPUTS).mkdir(exist_ok=True)
        os.environ.update(DAYBOOK_OUTPUTS=str(here / OUTPUTS), DAYBOOK_RESULTS=str(here / RESULTS))
        os.chdir(here)  # so that a notebook that writes to outputs/… without our helper is right too
    for name, source in modules.items():
        _make(name, source)
    return {
        "folder": str(Here.folder) if Here.folder else None,
        "python": ".".join(map(str, sys.version_info[:3])),
        "runtime": os.environ.get("DATABRICKS_RUNTIME_VERSION"),
        "spark": getattr(sys.modules.get("pyspark"), "__version__", None),
    }


def listed(start: int, count: int) -> dict[str, Any]:
    """So many of the output files, path and size; what is none, and why; how many are left; whether there are more.

    Args:
        start: how many were told already; with 0 the folder is looked at anew.
        count: how many to tell.
    """
    if start == 0:
        _look()
    page = Here.found[start : start + count]
    return {
        "files": [each for each in page if isinstance(each[1], int)],
        "left_out": [each for each in page if not isinstance(each[1], int)],
        "left": max(0, len(Here.found) - start - count),
        "more": len(Here.found) >= MAX_LISTED,
    }


def _look() -> None:
    found: list[tuple[str, int | str]] = []
    files = []
    for path, target, fault in islice(_walk(_folder() / OUTPUTS), MAX_LISTED):
        found.append((path, fault or target.stat().st_size))
        if not fault:
            files.append(target)
    Here.found, Here.files = tuple(found), tuple(files)


def read(parts: list[tuple[int, int, int]]) -> list[str | None]:
    """Parts of files, each given by the file's place in the list, an offset and a number of bytes; null where lost."""
    return [_packed(Here.files[place], offset, count) for place, offset, count in parts]


def results(offset: int, count: int) -> dict[str, Any]:
    """A part of what `record` told, and how large all of it is."""
    path = _folder() / RESULTS
    data = _packed(path, offset, count)
    return {"size": path.stat().st_size if data is not None else 0, "data": data}


def remove() -> dict[str, Any]:
    """Removes the run's folder, and nothing that a link in it leads to."""
    folder, Here.folder = Here.folder, None
    if folder and _is_ours(folder):
        os.chdir(tempfile.gettempdir())
        shutil.rmtree(folder, ignore_errors=True)
    return {"is_there": bool(folder and folder.exists())}


_QUESTIONS: dict[str, Callable[..., Any]] = {
    "begin": begin,
    "listed": listed,
    "read": read,
    "results": results,
    "remove": remove,
}


def _folder() -> Path:
    if Here.folder is None:
        raise LookupError("there is no folder of a run")
    return Here.folder


def _is_ours(folder: Path) -> bool:
    """Whether a folder can be one that was made here: a real one among the temporary files."""
    among = folder.parent.resolve() == Path(tempfile.gettempdir()).resolve()
    return among and folder.name.startswith(FOLDER_PREFIX) and folder.is_dir() and not folder.is_symlink()


def _walk(folder: Path) -> Iterator[tuple[str, Path, str | None]]:
    root = folder.resolve()
    for here, folders, names in os.walk(root):
        folders.sort()
        for name in folders:
            if Path(here, name).is_symlink():
                yield _relative(here, name, root), root, "is a link to a folder"
        for name in sorted(names):
            target = Path(here, name).resolve()
            yield _relative(here, name, root), target, _fault(target, root)


def _fault(target: Path, root: Path) -> str | None:
    if root not in target.parents:
        return "is a link that leads out of the outputs folder"
    return None if target.is_file() else "is no plain file"


def _relative(here: str, name: str, root: Path) -> str:
    return Path(here, name).relative_to(root).as_posix()


def _packed(path: Path, offset: int, count: int) -> str | None:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return base64.b64encode(zlib.compress(file.read(count), 1)).decode()
    except OSError:
        return None


def _make(name: str, source: str) -> None:
    """A module out of its source; ours counts, whatever is installed there under its name."""
    module = types.ModuleType(name)
    place = f"<{name}, sent by Daybook>"
    module.__dict__.update(__path__=[], __file__=place)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    exec(compile(source, place, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - Daybook's own source
