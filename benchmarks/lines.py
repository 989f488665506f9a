"""Cells that print: two million lines, or a hundred thousand that are flushed each; time, and the runner's memory."""

import tempfile
from pathlib import Path

from measure import in_turns, keep, rounds_wanted
from peers import DAYBOOK, JUPYTER, PAPERMILL, PLOOMBER, Figures, Peers, a_notebook, failures, make_environment

ROUNDS = 3
CELLS = {
    "2,000,000 lines": 'for i in range(2_000_000):\n    print(i, "a line of what a notebook prints")',
    "100,000 lines, each flushed": 'for i in range(100_000):\n    print(i, "a line of output", flush=True)',
}
TARGET = "Target: at most x1.50 of the time of jupyter execute, and less than 300 MB for two million lines."


def measured(what: str, cell: str, rounds: int) -> dict:
    """Measures one cell, prints its figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peers = Peers(a_notebook(folder / "lines.ipynb", [cell]), folder)
        costs = in_turns(
            {
                JUPYTER: peers.jupyter,
                PAPERMILL: peers.papermill,
                PLOOMBER: peers.ploomber,
                DAYBOOK: peers.daybook_as_a_pod,
            },
            rounds,
        )
    seconds = Figures.of(costs, lambda each: each.seconds)
    peak = Figures.of(costs, lambda each: each.peak_mb, "MB")
    seconds.show(f"{what}, median of {rounds}: on the clock")
    peak.show(f"{what}: the runner's own memory at its peak")
    return {"failures": failures(costs), "seconds": seconds.to_json(), "peak_mb": peak.to_json()}


def main(rounds: int = ROUNDS) -> None:
    """Measures, prints, keeps."""
    make_environment()
    found = {what: measured(what, cell, rounds) for what, cell in CELLS.items()}
    print(f"  {TARGET}")
    keep("lines", {"target": TARGET, **found})


if __name__ == "__main__":
    main(rounds_wanted(ROUNDS))
