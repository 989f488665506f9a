"""The state folder: what lies where, who may use it, and what a restart finds in it.

lock                       held by the one localpods that uses the folder
server.json                pid, port and address of that localpods
versions                   the resourceVersions reserved so far
secrets/<namespace>/       the Secrets made through the API
pods/<uid>/pod.json        the pod as the API shows it
pods/<uid>/events.json     its events
pods/<uid>/home/           its working folder and HOME
pods/<uid>/volumes/<name>/ its volumes; those with secrets are emptied when it ends
pods/<uid>/containers/<name>/   record, log and pipes of one container's shim
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daybook.contract.errors import Fault, InvalidSettings
from daybook.localpods.files import write_atomically

Json = dict[str, Any]
_log = logging.getLogger(__name__)


class StateFolder:
    """Everything localpods keeps. Names from outside never become paths here except container and volume names,
    which are DNS labels; pods go by their uid.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pods = root / "pods"
        for folder in (root, self.pods):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
        self._lock = _locked(root / "lock")

    def close(self) -> None:
        """Lets another localpods use the folder; twice is fine."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def home(self, uid: str) -> Path:
        """A pod's working folder."""
        return self._pod(uid) / "home"

    def volume(self, uid: str, name: str) -> Path:
        """An emptyDir volume of a pod."""
        return self._pod(uid) / "volumes" / name

    def container(self, uid: str, name: str) -> Path:
        """Where the shim of a container has its files."""
        return self._pod(uid) / "containers" / name

    def prepare(self, pod: Json) -> None:
        """Makes a pod's folders, and leads from its home to its volumes; again is fine."""
        uid, spec = pod["metadata"]["uid"], pod["spec"]
        containers = [*spec["containers"], *(spec.get("initContainers") or ())]
        folders = [self._pod(uid), self.home(uid), *(self.container(uid, one["name"]) for one in containers)]
        folders += [self.volume(uid, one["name"]) for one in spec.get("volumes") or ()]
        for folder in folders:
            folder.parent.mkdir(exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True, mode=0o700)
        for mount in (mount for one in containers for mount in one.get("volumeMounts") or ()):
            _lead(self._pod(uid), mount["mountPath"], self.volume(uid, mount["name"]))

    def save_pod(self, pod: Json) -> None:
        """Writes a pod's object."""
        folder = self._pod(pod["metadata"]["uid"])
        folder.mkdir(exist_ok=True, mode=0o700)
        write_atomically(folder / "pod.json", json.dumps(pod).encode())

    def save_events(self, uid: str, events: list[Json]) -> None:
        """Writes a pod's events; nothing once the pod is gone."""
        if self._pod(uid).is_dir():
            write_atomically(self._pod(uid) / "events.json", json.dumps(events).encode())

    def forget_pod(self, pod: Json) -> None:
        """From now on a restart does not find the pod; its folders go with `sweep`."""
        (self._pod(pod["metadata"]["uid"]) / "pod.json").unlink(missing_ok=True)

    def sweep(self, uid: str) -> None:
        """Removes all that is left of a pod. May take a while."""
        _remove(self._pod(uid))

    def load(self) -> Iterator[tuple[Json, list[Json]]]:
        """Every saved pod with its events. What is left of removed pods is removed; what cannot be read is kept
        aside and named in the log.
        """
        for folder in sorted(self.pods.iterdir()):
            if not _is_uid(folder.name):
                continue
            if not (folder / "pod.json").exists():
                _remove(folder)
                continue
            try:
                yield json.loads((folder / "pod.json").read_bytes()), _events(folder / "events.json")
            except ValueError:
                aside = folder.with_name(f"unreadable-{folder.name}")
                _log.exception("%s cannot be read; the pod's folder is kept as %s", folder / "pod.json", aside)
                folder.rename(aside)

    def _pod(self, uid: str) -> Path:
        return self.pods / uid


def _events(path: Path) -> list[Json]:
    found: list[Json] = json.loads(path.read_bytes()) if path.exists() else []
    return found


def _is_uid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        fault = Fault(str(path.parent), "another localpods is using this folder; end that one first or name another")
        raise InvalidSettings("the state folder is in use", [fault]) from None
    return descriptor


def _lead(pod: Path, mount_path: str, volume: Path) -> None:
    """Makes a volume found below the pod's home, where its mount path would be. More takes privileges."""
    steps = [step for step in mount_path.split("/") if step not in ("", ".", "..")]
    link = (pod / "home").joinpath(*steps)
    if not steps or link.exists() or link.is_symlink():
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.parent.resolve().is_relative_to(pod.resolve()):  # a volume may lie in another, but nowhere else
        link.symlink_to(volume)


def _remove(folder: Path) -> None:
    """Removes a folder even where a pod has made parts of it read-only; what will not go is named in the log."""
    for parent, names, _ in os.walk(folder):
        for name in names:
            inner = Path(parent, name)
            if not inner.is_symlink():
                inner.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _log.warning("%s cannot be removed whole; it is tried again at the next start", folder)
