"""What the benchmarks share: medians, a table with ratios, results as JSON."""

import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

CHECKOUT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
ROUNDS = 5

Found = TypeVar("Found")


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock seconds of one piece of work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def rounds_wanted(usual: int = ROUNDS) -> int:
    """How many rounds the command line asks for: `execute.py 3`."""
    return int(sys.argv[1]) if len(sys.argv) > 1 else usual


def in_turns(
    candidates: dict[str, Callable[[], Found]], rounds: int = ROUNDS, *, warm_up: bool = False
) -> dict[str, list[Found]]:
    """Each candidate's figures, measured in turns so that a noisy minute hits all of them.

    Args:
        candidates: what to measure.
        rounds: how often.
        warm_up: whether each runs once before, uncounted, so that no figure holds Python's compiling of its packages.
    """
    if warm_up:
        for measure in candidates.values():
            measure()
    found: dict[str, list[Found]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, measure in candidates.items():
            found[name].append(measure())
    return found


def medians(found: dict[str, list[float]]) -> dict[str, float]:
    """The median of each candidate; one that failed each time has none."""
    return {name: statistics.median(values) for name, values in _that_succeeded(found).items()}


def ratios(found: dict[str, list[float]], peer: str) -> dict[str, float]:
    """The median of each candidate's ratios to the peer's figure of the same round, which noise harms least."""
    of_rounds = {
        name: [value / beside for value, beside in zip(values, found[peer], strict=True)]
        for name, values in found.items()
    }
    return {name: statistics.median(values) for name, values in _that_succeeded(of_rounds).items()}


def _that_succeeded(found: dict[str, list[float]]) -> dict[str, list[float]]:
    kept = {name: [value for value in values if not math.isnan(value)] for name, values in found.items()}
    return {name: values for name, values in kept.items() if values}


def table(title: str, unit: str, figures: dict[str, float], peer: str, against: dict[str, float] | None = None) -> None:
    """Prints the figures, each with its ratio to the peer's: the one given, else that of the figures."""
    print(f"\n{title}")
    for name, value in figures.items():
        ratio = against.get(name, math.nan) if against is not None else value / figures[peer]
        print(f"  {name:<44} {value:10.2f} {unit}   x{ratio:.2f}")


def keep(name: str, content: dict[str, Any]) -> None:
    """Writes `results/<name>.json`, with what machine it was measured on."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    document = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, **content}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(_without_nan(document), indent=2, allow_nan=False) + "\n")


def _without_nan(content: Any) -> Any:
    """JSON has no word for what could not be measured but null."""
    if isinstance(content, dict):
        return {name: _without_nan(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and math.isnan(content) else content
