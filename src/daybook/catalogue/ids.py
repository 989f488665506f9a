"""What may name a notebook, and people beside it."""

from __future__ import annotations

import re

from daybook.catalogue.model import matching

RESERVED_IDS = frozenset({"run_notebook", "clean_up"})
"""DAGs that Daybook itself makes."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")

NAME = matching(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}", "a name of letters, digits, '_', '-', '.' and '@'")
"""The name of a user or workspace."""


def id_fault(notebook_id: str) -> str | None:
    """Return why a text cannot name a notebook, or None.

    An id becomes an Airflow DAG id, a folder and part of page addresses.
    """
    if notebook_id in RESERVED_IDS:
        return "is the name of one of Daybook's own DAGs; choose another"
    if not _ID.fullmatch(notebook_id):
        return "must be at most 128 letters, digits, '_', '-' and '.', beginning with a letter or digit"
    if ".." in notebook_id or notebook_id.endswith("."):
        return "must neither hold '..' nor end with '.'"
    return None
