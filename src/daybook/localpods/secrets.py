"""Secrets: files `<folder>/<namespace>/<secret name>/<key>`, read when a container starts and kept nowhere."""

from __future__ import annotations

from pathlib import Path

from daybook.localpods.api.names import is_data_key, is_dns_label, is_dns_subdomain


class Secrets:
    """Reads secrets below one folder; without a folder there are none.

    A value is the file's exact content, line break at the end included, as `kubectl create secret --from-file` has it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def read(self, namespace: str, name: str) -> dict[str, str] | None:
        """All keys of a secret; None when there is no such secret.

        Raises:
            ValueError: a value is not text, so it cannot be put into a variable. Says which, never what.
        """
        if self._folder is None or not (is_dns_label(namespace) and is_dns_subdomain(name)):
            return None
        folder = self._folder / namespace / name
        if not folder.is_dir():
            return None
        files = [path for path in sorted(folder.iterdir()) if is_data_key(path.name) and path.is_file()]
        return {path.name: _text(path, f"{namespace}/{name}") for path in files}


def _text(path: Path, secret: str) -> str:
    try:
        value = path.read_bytes().decode()
    except UnicodeDecodeError:
        raise ValueError(f'key "{path.name}" of secret "{secret}" is not UTF-8 text') from None
    if "\0" in value:
        raise ValueError(f'key "{path.name}" of secret "{secret}" contains a NUL character')
    return value
