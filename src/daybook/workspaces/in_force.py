"""The workspaces in force: those of the file as it is now or, while it is not as it must be, the last good ones."""

from __future__ import annotations

import logging
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from daybook.contract import keys
from daybook.contract.errors import InvalidSettings
from daybook.workspaces.file import parse_workspaces, read_file
from daybook.workspaces.workspace import Workspaces

_PRIVATE_FOLDER = 0o700
_REMEMBERED = 16  # readings of files, in one process

_TEMPLATE = re.compile(r"""template_file["']?\s*:\s*["']?([^\s"',{}\0]+)""")

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class InForce:
    """What counts now.

    Attributes:
        workspaces: of the file, or the last good ones.
        fault: what is wrong with the file as it is now; None when these are its workspaces.
    """

    workspaces: Workspaces
    fault: InvalidSettings | None = None


class WorkspacesFile:
    """`workspaces.yaml`, read again whenever it has changed.

    Args:
        path: the file.
        kept_in: a folder that survives this process, for the last good content; None keeps none.
    """

    def __init__(self, path: Path, kept_in: Path | None) -> None:
        self._path = path
        self._kept_in = kept_in

    def read(self) -> InForce:
        """What counts now.

        Raises:
            InvalidSettings: the file is not as it must be, and no good one is known.
        """
        signature = _signature(self._path)
        templates = (_signature(template) for template in _templates(self._path, signature))
        found = _reading(self._path, self._kept_in, (signature, *templates))
        if isinstance(found, InvalidSettings):
            raise InvalidSettings(found.summary, found.faults)
        return found


def _signature(path: Path) -> tuple[int, ...]:
    """Changes when the file does, or what lies beside it comes and goes: the links that a ConfigMap is mounted by."""
    try:
        file, folder = path.stat(), path.parent.stat()
    except OSError:
        return ()
    return file.st_mtime_ns, file.st_ctime_ns, file.st_size, file.st_ino, file.st_dev, folder.st_mtime_ns


@lru_cache(maxsize=_REMEMBERED)
def _templates(path: Path, _: tuple[int, ...]) -> tuple[Path, ...]:
    """The templates that the file names, faulty or not: to be looked at, so one too many does no harm."""
    try:
        return tuple(path.parent / name for name in _TEMPLATE.findall(read_file(path)))
    except InvalidSettings:
        return ()


@lru_cache(maxsize=_REMEMBERED)
def _reading(path: Path, kept_in: Path | None, _: tuple[tuple[int, ...], ...]) -> InForce | InvalidSettings:
    """What the file says; looked for once for each change of it, and a fault is told once."""
    try:
        workspaces = parse_workspaces(read_file(path), path)
    except InvalidSettings as fault:
        return _last_good(path, kept_in, fault)
    if kept_in is not None:
        _keep(_copy(path, kept_in), _whole(workspaces))
    return InForce(workspaces)


def _last_good(path: Path, kept_in: Path | None, fault: InvalidSettings) -> InForce | InvalidSettings:
    copy = _copy(path, kept_in) if kept_in is not None else None
    if copy is None or not _is_ours_alone(copy):
        return fault
    try:
        workspaces = parse_workspaces(read_file(copy), path)
    except InvalidSettings as older:
        _LOG.warning("the last good workspaces, %s, are none any more: %s", copy, older)
        return fault
    _LOG.warning("%s\nThe last good workspaces stay in force until the file is mended.", fault)
    return InForce(workspaces, fault)


def _copy(path: Path, folder: Path) -> Path:
    return folder / f"workspaces-{keys.digest(str(path.absolute()))}.yaml"


def _is_ours_alone(copy: Path) -> bool:
    """Whether there is a copy, and nobody else can have written it: it says who may run what."""
    try:
        found = copy.lstat()
    except OSError:
        return False
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not others_write:
        return True
    _LOG.warning("the last good workspaces, %s, do not count: somebody else can have written them", copy)
    return False


def _whole(workspaces: Workspaces) -> str:
    """Good content as YAML, with the templates that lie in files of their own: those may be what is faulty next."""
    content = workspaces.model_dump(mode="json", exclude_unset=True)
    for each in content["workspaces"]:
        each.get("pod", {}).pop("template_file", None)
    return yaml.safe_dump(content, allow_unicode=True)


def _keep(copy: Path, text: str) -> None:
    """Keeps good content, whole or not at all; a folder that cannot be written costs the last good one only."""
    try:
        if _is_ours_alone(copy) and copy.read_bytes() == text.encode():
            return
        copy.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        descriptor, draft = tempfile.mkstemp(dir=copy.parent, prefix=f".{copy.name}.")  # private, and new
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        Path(draft).replace(copy)
    except OSError as error:
        _LOG.warning("cannot keep the good workspaces in %s: %s", copy, error.strerror)
