"""How two runs that were compared look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daybook.contract.differences import Comparison
from daybook.contract.manifest import Manifest

_SHOWN = 30
"""Another image may have hundreds of other packages; --json has them all."""


def rerun_document(since: Manifest | None, found: Comparison | None) -> dict[str, Any]:
    """What `--json` adds of the run that was made again; null where nothing could be compared.

    Args:
        since: the earlier run; None where a run is none of another again.
        found: what differs from it.
    """
    if since is None:
        return {}
    compared = found.document() if found is not None else dict.fromkeys(Comparison().document())
    return {"rerun_of": since.run_id, **compared}


def show_comparison(line: Callable[[str], None], found: Comparison, run_id: str) -> None:
    """What differs from an earlier run, in a line each.

    Args:
        line: takes the lines.
        found: what was compared.
        run_id: of the earlier run.
    """
    for each in found.differences[:_SHOWN]:
        line(f"  {'differs':<11} {each}")
    more = len(found.differences) - _SHOWN
    if more > 0:
        line(f"  {'':<11} … and {more} more; --json has them all")
    unknown = ", ".join(what.replace("_", " ") for what in found.unknown)
    if not found.differences:
        line(f"  {'same':<11} nothing differs from {run_id}" + (" that can be compared" if unknown else ""))
    if unknown:
        line(f"  {'not known':<11} {unknown}")
