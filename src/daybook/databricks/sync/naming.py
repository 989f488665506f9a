"""Names that this room mints, and how names of files are shown to people."""

from __future__ import annotations

import re
import secrets

LONGEST_PART = 40
"""Characters of a project's name or a run's id within a folder's name, which may have 255 bytes."""


def shown(path: bytes) -> str:
    """A path as text on one line: what is no text, or would break a line, is escaped."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def folder_name(project: str, run_id: str | None) -> str:
    """The name of a new folder on the driver: one for each project, run and kernel; nobody else can foresee it.

    Args:
        project: the name of the project's folder.
        run_id: the run's, if it is one.
    """
    parts = ["daybook", _slug(project), _slug(run_id or ""), secrets.token_hex(8)]
    return "-".join(part for part in parts if part)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:LONGEST_PART].strip("-")
