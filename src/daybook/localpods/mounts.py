"""What lies in a pod's volumes: Secrets as files, and the pod's own tokens. Renewed while the pod runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from daybook.localpods.files import write_atomically
from daybook.localpods.secrets import Secrets
from daybook.localpods.state import StateFolder
from daybook.localpods.tokens import TokenIssuer

Json = dict[str, Any]

RENEWED_AT: Final = 0.8
"""The part of a token's life after which it is renewed: the kubelet's."""


class MountProblem(Exception):
    """A volume cannot be filled yet; Kubernetes calls it FailedMount and tries again."""


class Mounts:
    """Fills the volumes of one machine's pods.

    Args:
        state: has the volumes' folders.
        secrets: what Secrets hold.
        issuer: signs tokens.
    """

    def __init__(self, state: StateFolder, secrets: Secrets, issuer: TokenIssuer) -> None:
        self._state = state
        self._secrets = secrets
        self._issuer = issuer

    def fill(self, pod: Json) -> float | None:
        """Writes what the pod's volumes hold now, each file whole; again brings them up to date.

        Returns:
            After how many seconds a token is to be renewed; None where there is none.

        Raises:
            MountProblem: a Secret or a key of one is missing.
        """
        waits = []
        for volume in pod["spec"].get("volumes") or ():
            folder = self._state.volume(pod["metadata"]["uid"], volume["name"])
            if volume.get("secret"):
                self._fill_secret(pod, volume["name"], volume["secret"], "secretName", folder)
            for source in (volume.get("projected") or {}).get("sources") or ():
                if source.get("secret"):
                    self._fill_secret(pod, volume["name"], source["secret"], "name", folder)
                elif source.get("serviceAccountToken"):
                    waits.append(self._fill_token(pod, source["serviceAccountToken"], folder))
        return min(waits, default=None)

    def clear(self, pod: Json) -> None:
        """Empties what held secrets; the pod has ended."""
        for volume in pod["spec"].get("volumes") or ():
            if holds_secrets(volume):
                folder = self._state.volume(pod["metadata"]["uid"], volume["name"])
                for file in [path for path in folder.rglob("*") if path.is_file()]:
                    file.unlink(missing_ok=True)

    def _fill_secret(self, pod: Json, volume: str, source: Json, key: str, folder: Path) -> None:
        namespace, name = pod["metadata"]["namespace"], source[key]
        found = self._secrets.read_bytes(namespace, name)
        if found is None:
            if source.get("optional"):
                return
            raise MountProblem(f'MountVolume.SetUp failed for volume "{volume}" : secret "{name}" not found')
        items = source.get("items")
        wanted = {item["key"]: item["path"] for item in items} if items else {one: one for one in found}
        for one, path in wanted.items():
            if one not in found:
                raise MountProblem(f'MountVolume.SetUp failed for volume "{volume}" : no key "{one}" in "{name}"')
            _write(folder, path, found[one])

    def _fill_token(self, pod: Json, source: Json, folder: Path) -> float:
        seconds = source.get("expirationSeconds") or 3600
        path = folder / source["path"]
        written = path.stat().st_mtime if path.exists() else 0.0
        left = written + RENEWED_AT * seconds - time.time()
        if left > 0:
            return left
        _write(folder, source["path"], self._issuer.token(pod, source.get("audience"), seconds).encode())
        return RENEWED_AT * seconds


def holds_secrets(volume: Json) -> bool:
    """Whether a volume is one that is filled here."""
    return bool(volume.get("secret") or volume.get("projected"))


def _write(folder: Path, path: str, content: bytes) -> None:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not place.exists() or place.read_bytes() != content:
        write_atomically(place, content)
