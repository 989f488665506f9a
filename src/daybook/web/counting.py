"""Numbers of runs for Prometheus, by workspace and notebook: few series, whatever records and people call things."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import GaugeMetricFamily, HistogramMetricFamily, Metric

from daybook.web.history import DURATION_SECONDS, Counts, History
from daybook.web.world import World
from daybook.workspaces import Workspace

MAX_NOTEBOOKS = 100
"""Notebooks with series of their own: those of the catalogue with the most runs; the others are `other` together."""
MAX_WORKSPACES = 100
"""The same for workspaces, in the order of their file."""
FRESH_SECONDS = 15.0
"""For so long the last count serves: it reads every row of the index."""
OTHER = "other"


@dataclass(frozen=True)
class _Counted:
    counts: Sequence[Counts]
    waiting: dict[str, int]
    at: float


class RunCounts:
    """Counts the runs of all workspaces.

    Args:
        world: whose workspaces and catalogue they are, and which runs wait.
        history: the index of runs.
        clock: seconds, never set back.
    """

    def __init__(self, world: World, history: History, clock: Callable[[], float] = time.monotonic) -> None:
        self._world = world
        self._history = history
        self._clock = clock
        self._alone = threading.Lock()
        self._counted: _Counted | None = None

    def collect(self, workspaces: Sequence[Workspace]) -> Iterator[Metric]:
        """The numbers of some workspaces; may block, as the index and Airflow do."""
        counted = self._now()
        mine = {each.name for each in workspaces}
        places = {each.name for each in workspaces[:MAX_WORKSPACES]}
        counts = [each for each in counted.counts if each.workspace in mine]
        names = _named(counts, self._world.catalogue().notebooks)

        def labels(workspace: str, notebook: str) -> tuple[str, str]:
            return workspace if workspace in places else OTHER, notebook if notebook in names else OTHER

        yield _runs(counts, labels)
        yield _durations(counts, labels)
        yield _bytes(counts, labels)
        yield _waiting({name: number for name, number in counted.waiting.items() if name in mine}, places)

    def _now(self) -> _Counted:
        with self._alone:
            now = self._clock()
            if self._counted is None or now - self._counted.at > FRESH_SECONDS:
                workspaces = list(self._world.workspaces())
                waiting = {each.name: self._waiting(each) for each in workspaces}
                self._counted = _Counted(self._history.counts(workspaces), waiting, now)
            return self._counted

    def _waiting(self, workspace: Workspace) -> int:
        asked = [each.run_id for each in self._world.waiting(workspace)]
        return len(asked) - len(self._history.known(workspace, asked))


Labels = Callable[[str, str], tuple[str, str]]


def _named(counts: Iterable[Counts], known: Iterable[str]) -> set[str]:
    """The notebooks that have series of their own. A record may name any id: only those of the catalogue count."""
    ids, runs = set(known), Counter[str]()
    for each in counts:
        if each.notebook in ids:
            runs[each.notebook] += each.runs
    return {notebook for notebook, _ in runs.most_common(MAX_NOTEBOOKS)}


def _runs(counts: Iterable[Counts], labels: Labels) -> Metric:
    family = GaugeMetricFamily(
        "daybook_runs", "Runs with a record.", labels=("workspace", "notebook", "state", "reason")
    )
    found = Counter[tuple[str, ...]]()
    for each in counts:
        found[(*labels(each.workspace, each.notebook), each.state, each.reason or "")] += each.runs
    for key, number in sorted(found.items()):
        family.add_metric(key, number)
    return family


def _durations(counts: Iterable[Counts], labels: Labels) -> Metric:
    family = HistogramMetricFamily(
        "daybook_run_duration_seconds",
        "Seconds from start to finish of the newest attempt.",
        labels=("workspace", "notebook"),
    )
    sums: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * (len(DURATION_SECONDS) + 2))
    for each in counts:
        added = (*each.below, each.timed, each.seconds)
        key = labels(each.workspace, each.notebook)
        sums[key] = [old + new for old, new in zip(sums[key], added, strict=True)]
    bounds = [*(str(float(bound)) for bound in DURATION_SECONDS), "+Inf"]
    for key, (*below, seconds) in sorted(sums.items()):
        family.add_metric(key, list(zip(bounds, below, strict=True)), seconds)
    return family


def _bytes(counts: Iterable[Counts], labels: Labels) -> Metric:
    family = GaugeMetricFamily(
        "daybook_run_output_bytes", "Bytes of the outputs of all runs.", labels=("workspace", "notebook")
    )
    found = Counter[tuple[str, str]]()
    for each in counts:
        found[labels(each.workspace, each.notebook)] += each.bytes
    for key, number in sorted(found.items()):
        family.add_metric(key, number)
    return family


def _waiting(waiting: dict[str, int], places: set[str]) -> Metric:
    family = GaugeMetricFamily(
        "daybook_runs_waiting", "Runs that Airflow has taken and that have no record yet.", labels=("workspace",)
    )
    found = Counter[str]()
    for name, number in waiting.items():
        found[name if name in places else OTHER] += number
    for name, number in sorted(found.items()):
        family.add_metric((name,), number)
    return family
