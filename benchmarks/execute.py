"""One one-cell notebook, whole process, cold: `daybook execute` beside its peers."""

import tempfile
from pathlib import Path

from measure import ROUNDS, in_turns, keep, rounds_wanted
from peers import DAYBOOK, JUPYTER, PAPERMILL, PLOOMBER, Figures, Peers, a_notebook, failures, make_environment

TARGET = "Target: at most x0.80 of jupyter execute, both ways."


def main(rounds: int = ROUNDS) -> None:
    """Measures, prints, keeps."""
    make_environment()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peers = Peers(a_notebook(folder / "one_cell.ipynb", ["print(1)"]), folder)
        costs = in_turns(
            {
                JUPYTER: peers.jupyter,
                PAPERMILL: peers.papermill,
                PLOOMBER: peers.ploomber,
                f"{DAYBOOK}, as a pod runs it": peers.daybook_as_a_pod,
                f"{DAYBOOK} NOTEBOOK --output FOLDER": peers.daybook,
            },
            rounds,
            warm_up=True,
        )
    seconds = Figures.of(costs, lambda each: each.seconds)
    cpu = Figures.of(costs, lambda each: each.cpu_seconds)
    title = f"One one-cell notebook, whole process, median of {rounds}"
    seconds.show(f"{title}: on the clock")
    print(f"  {TARGET}")
    cpu.show(f"{title}: CPU of all processes")
    failed = failures(costs)
    keep("execute", {"target": TARGET, "failures": failed, "seconds": seconds.to_json(), "cpu": cpu.to_json()})


if __name__ == "__main__":
    main(rounds_wanted())
