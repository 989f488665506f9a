"""`make demo` from a fresh clone with packages cached, and warm (everything up already): demo.py [ROUNDS]."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import CHECKOUT, ROUNDS, keep, medians, seconds, table


def fresh_and_warm(folder: Path) -> tuple[float, float]:
    """One clone: its first `make demo`, then a second one; the stack is ended afterwards."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME")}
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(folder)], check=True)

    def demo() -> None:
        subprocess.run(["make", "demo"], cwd=folder, env=environment, check=True, capture_output=True)

    try:
        return seconds(demo), seconds(demo)
    finally:
        subprocess.run(["make", "down"], cwd=folder, env=environment, check=False, capture_output=True)


def main() -> None:
    """Measures, prints, keeps."""
    found: dict[str, list[float]] = {"fresh clone": [], "warm": []}
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            fresh, warm = fresh_and_warm(Path(name) / "daybook")
        found["fresh clone"].append(fresh)
        found["warm"].append(warm)
        keep("demo", {"unit": "s", "all": found, "medians": medians(found)})  # what there is, should a later one fail
    figures = medians(found)
    table(f"make demo, median of {rounds}", "s", figures, "fresh clone")


if __name__ == "__main__":
    main()
