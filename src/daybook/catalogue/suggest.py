"""Close matches for a mistyped name, in the words a message ends with."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LISTED_NAMES = 12
"""Names a message lists in full when none is close; more would bury the message."""


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return `; did you mean 'x'?`, or the known names introduced by `otherwise`, or nothing.

    Args:
        name: what was written.
        known: the names that would have been right.
        otherwise: words before the list of names when none is close, such as "the keys are".
    """
    names = sorted(set(known))
    close = [match for match in names if match.lower() == name.lower()] or get_close_matches(
        name, names, n=2, cutoff=0.6
    )
    if close:
        return "; did you mean " + " or ".join(f"'{match}'" for match in close) + "?"
    if not otherwise or not names:
        return ""
    shown = ", ".join(names[:LISTED_NAMES]) + (", …" if len(names) > LISTED_NAMES else "")
    return f"; {otherwise} {shown}"
