"""`make demo` from a fresh clone with packages cached, and warm (everything up already)."""

import subprocess
import tempfile
from pathlib import Path

from measure import CHECKOUT, ROUNDS, keep, medians, seconds, table


def fresh_and_warm(folder: Path) -> tuple[float, float]:
    """One clone: its first `make demo`, then a second one; the stack is ended afterwards."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(Path.home())}
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
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            fresh, warm = fresh_and_warm(Path(name) / "daybook")
        found["fresh clone"].append(fresh)
        found["warm"].append(warm)
    figures = medians(found)
    table("make demo, median of five", "s", figures, "fresh clone")
    keep("demo", {"unit": "s", "all": found, "medians": figures})


if __name__ == "__main__":
    main()
