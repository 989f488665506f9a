"""Secrets: made through the API, or files `<folder>/<namespace>/<secret name>/<key>`.

The files are a person's; they are read when a container starts and kept nowhere. Those of the API lie in the state
folder, one file each, until they are deleted or the pods that own them are gone.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daybook.localpods.api.names import is_data_key, is_dns_label, is_dns_subdomain
from daybook.localpods.files import write_atomically
from daybook.localpods.store import Collection
from daybook.localpods.versions import Versions

Json = dict[str, Any]
_log = logging.getLogger(__name__)


class Secrets:
    """Reads secrets; a value is the exact bytes, line break at the end included.

    Args:
        folder: of the files; without one there are none of them.
        objects: those of the API, which come first.
    """

    def __init__(self, folder: Path | None, objects: Collection | None = None) -> None:
        self._folder = folder
        self._objects = objects

    def read(self, namespace: str, name: str) -> dict[str, str] | None:
        """All keys of a secret, for variables; None when there is no such secret.

        Raises:
            ValueError: a value is not text, so it cannot be put into a variable. Says which, never what.
        """
        found = self.read_bytes(namespace, name)
        if found is None:
            return None
        return {key: _text(value, key, f"{namespace}/{name}") for key, value in found.items()}

    def read_bytes(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """All keys of a secret, for files; None when there is no such secret."""
        if not (is_dns_label(namespace) and is_dns_subdomain(name)):
            return None
        made = self._objects.get(namespace, name) if self._objects is not None else None
        if made is not None:
            return {key: base64.b64decode(value) for key, value in (made.get("data") or {}).items()}
        if self._folder is None or not (self._folder / namespace / name).is_dir():
            return None
        files = sorted((self._folder / namespace / name).iterdir())
        return {path.name: path.read_bytes() for path in files if is_data_key(path.name) and path.is_file()}


class SecretFiles:
    """Where the Secrets of the API are kept: `<root>/<namespace>/<name>.json`, for their owner's eyes only."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, secret: Json) -> None:
        """Writes a Secret; its names have been checked."""
        path = self._path(secret)
        for folder in (self._root, path.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
        write_atomically(path, json.dumps(secret).encode())

    def forget(self, secret: Json) -> None:
        """Removes a Secret; one that is gone is fine."""
        self._path(secret).unlink(missing_ok=True)

    def load(self) -> Iterator[Json]:
        """Every saved Secret; one that cannot be read is named in the log, without its content."""
        for path in sorted(self._root.glob("*/*.json")):
            try:
                yield json.loads(path.read_bytes())
            except ValueError:
                _log.error("%s cannot be read as a Secret and is left out", path)

    def _path(self, secret: Json) -> Path:
        metadata = secret["metadata"]
        return Path(self._root, metadata["namespace"], f"{metadata['name']}.json")


def secret_objects(versions: Versions, files: SecretFiles) -> Collection:
    """The Secrets of the API, as an earlier localpods left them."""
    objects = Collection(versions, files.save, files.forget)
    for one in files.load():
        objects.load(one)
    return objects


def is_base64(value: object) -> bool:
    """Whether a value of `data` is what Kubernetes takes."""
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except (binascii.Error, ValueError):
        return False


def _text(content: bytes, key: str, secret: str) -> str:
    try:
        value = content.decode()
    except UnicodeDecodeError:
        raise ValueError(f'key "{key}" of secret "{secret}" is not UTF-8 text') from None
    if "\0" in value:
        raise ValueError(f'key "{key}" of secret "{secret}" contains a NUL character')
    return value
