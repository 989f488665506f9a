"""One one-cell notebook, whole process, cold: `daybook execute` beside its peers."""

import itertools
import tempfile
from pathlib import Path

from measure import ROUNDS, in_turns, keep, medians, ratios, rounds_wanted, table
from peers import DAYBOOK, JUPYTER, PAPERMILL, PLOOMBER, Peers, a_notebook, make_environment

TARGET = "Target: at most x0.80 of jupyter execute, both ways."


def main(rounds: int = ROUNDS) -> None:
    """Measures, prints, keeps."""
    make_environment()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peers = Peers(a_notebook(folder / "one_cell.ipynb", ["print(1)"]), folder)
        turn = itertools.count()

        def pod() -> float:
            number = next(turn)
            return peers.daybook_as_a_pod(str(folder / f"run-{number}"), number).seconds

        found = in_turns(
            {
                JUPYTER: lambda: peers.jupyter().seconds,
                PAPERMILL: lambda: peers.papermill().seconds,
                PLOOMBER: lambda: peers.ploomber().seconds,
                f"{DAYBOOK}, as a pod runs it": pod,
                f"{DAYBOOK} NOTEBOOK --output FOLDER": lambda: peers.daybook(str(folder / f"run-{next(turn)}")).seconds,
            },
            rounds,
            warm_up=True,
        )
    figures, against = medians(found), ratios(found, JUPYTER)
    table(f"One one-cell notebook, whole process, median of {rounds}", "s", figures, JUPYTER, against)
    print(f"  {TARGET}")
    keep("execute", {"unit": "s", "target": TARGET, "all": found, "medians": figures, "ratios": against})


if __name__ == "__main__":
    main(rounds_wanted())
