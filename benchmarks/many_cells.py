"""A notebook of 500 trivial cells: what executing a cell costs beside the cell itself, in CPU seconds and in time."""

import math
import tempfile
from pathlib import Path

from measure import in_turns, keep, ratios, rounds_wanted
from peers import DAYBOOK, JUPYTER, PAPERMILL, PLOOMBER, Figures, Peers, a_notebook, failures, make_environment

CELLS = 500
ROUNDS = 3
TARGET = "Target for CPU: at most x1.20 of jupyter execute, and at most x0.20 of papermill."


def main(rounds: int = ROUNDS) -> None:
    """Measures, prints, keeps."""
    make_environment()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peers = Peers(a_notebook(folder / "many_cells.ipynb", [f"x = {i}\nx + 1" for i in range(CELLS)]), folder)
        costs = in_turns(
            {
                JUPYTER: peers.jupyter,
                PAPERMILL: peers.papermill,
                PLOOMBER: peers.ploomber,
                DAYBOOK: peers.daybook_as_a_pod,
            },
            rounds,
        )
    cpu = Figures.of(costs, lambda each: each.cpu_seconds)
    seconds = Figures.of(costs, lambda each: each.seconds)
    beside_papermill = ratios(cpu.all, PAPERMILL).get(DAYBOOK, math.nan)
    title = f"{CELLS} trivial cells, median of {rounds}"
    cpu.show(f"{title}: CPU of all processes")
    print(f"  {DAYBOOK} against {PAPERMILL}: x{beside_papermill:.2f}")
    print(f"  {TARGET}")
    seconds.show(f"{title}: on the clock")
    failed = failures(costs)
    figures = {"cpu": cpu.to_json(), "daybook_to_papermill": beside_papermill, "seconds": seconds.to_json()}
    keep("many_cells", {"target": TARGET, "failures": failed, **figures})


if __name__ == "__main__":
    main(rounds_wanted(ROUNDS))
