"""Small files that must be whole and, where they hold secrets, private from their first byte."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

PRIVATE = 0o600
_SECRET_BYTES = 48  # 64 characters: as many as the keys of HMAC-SHA512, with which Airflow signs, should have


def write_private(path: Path, text: str) -> None:
    """Writes a file whole or not at all, mode 0600 from the start; folders above it are made private too."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


def write_if_changed(path: Path, text: str) -> None:
    """Like `write_private`, but leaves a file that says the same already, so that its date tells of a change."""
    if path.is_file() and path.read_text() == text and path.stat().st_mode & 0o777 == PRIVATE:
        return
    write_private(path, text)


def minted(path: Path, end: str = "\n") -> str:
    """The secret in a file; made there, once, when there is none yet.

    Args:
        end: what follows it in the file: nothing where every byte of the file counts, as in secrets of pods.
    """
    if path.is_file() and (found := path.read_text().strip()):
        path.chmod(PRIVATE)
        return found
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    write_private(path, secret + end)
    return secret
