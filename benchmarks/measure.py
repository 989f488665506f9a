"""What the benchmarks share: medians, a table with ratios, results as JSON."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
ROUNDS = 5


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock seconds of one piece of work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turns(candidates: dict[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Each candidate's figures, measured in turns so that a noisy minute hits all of them."""
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, measure in candidates.items():
            found[name].append(measure())
    return found


def medians(found: dict[str, list[float]]) -> dict[str, float]:
    """The median of each candidate."""
    return {name: statistics.median(values) for name, values in found.items()}


def table(title: str, unit: str, figures: dict[str, float], peer: str) -> None:
    """Prints the figures, each with its ratio to the peer's."""
    print(f"\n{title}")
    for name, value in figures.items():
        print(f"  {name:<44} {value:10.2f} {unit}   x{value / figures[peer]:.2f}")


def keep(name: str, content: dict[str, Any]) -> None:
    """Writes `results/<name>.json`, with what machine it was measured on."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    document = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, **content}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
