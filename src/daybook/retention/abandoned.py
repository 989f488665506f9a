"""Runs that nobody works on any more, although their record says so: found by a listing, judged, sealed.

Which signs of life count, and why, stands in `docs/decisions/0017-what-a-sweep-may-touch.md`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from kubernetes.client import models as k8s

from daybook.contract.manifest import Manifest, Reason, State
from daybook.pods import CONTAINER, Ending, ending_of, is_stuck, stuck_ending
from daybook.retention.listing import RunInfo
from daybook.storage import Verdict

QUIET = timedelta(hours=1)
"""A manifest that was written since then is a sign of life. A pod's start, a retry and an outage fit into it."""

UNATTENDED_QUIET = timedelta(days=8)
"""The same for a run that no task of Airflow stands for (`daybook execute`). Its runner may be anywhere, and says
nothing while a cell is silent: only the longest time that a run may take, 7 days, and a margin tell that it is gone."""

_TERMINAL = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Window:
    """Which runs are looked at: asking for all of them each hour would read every manifest.

    Attributes:
        days: so many days back runs may have been asked for; their objects are listed.
        changed_within: manifests written longer ago than this are not read; None reads all.
    """

    days: int
    changed_within: timedelta | None

    def dates(self, now: datetime) -> list[date]:
        """The days (UTC), and tomorrow, for clocks that are fast."""
        today = now.astimezone(UTC).date()
        return [today - timedelta(days=back) for back in range(-1, self.days + 1)]

    def holds(self, run: RunInfo, now: datetime) -> bool:
        """Whether the run's manifest is to be read: it has been quiet, but not for longer than the window."""
        if run.manifest_changed is None or run.removing:
            return False
        quiet = now - run.manifest_changed
        return quiet > QUIET and (self.changed_within is None or quiet <= self.changed_within)


RECENT = Window(days=8, changed_within=timedelta(hours=26))
"""Each hour: a manifest passes `QUIET` once after its last word, and has 25 sweeps to be met in."""

EVERYTHING = Window(days=18, changed_within=None)
"""Once a day: what 25 sweeps have missed, and runs of `daybook execute`."""


@dataclass(frozen=True)
class Open:
    """A run that is not sealed and has been quiet."""

    run: RunInfo
    manifest: Manifest

    @property
    def last_word(self) -> datetime:
        """When its manifest was written."""
        return self.run.manifest_changed or self.run.changed


def judged(
    found: Open, alive: Collection[object], pods: Mapping[tuple[str, int], k8s.V1Pod], in_worker: bool, now: datetime
) -> Verdict | None:
    """How an open run ended; None where it may still be under way.

    Args:
        found: the run.
        alive: the Airflow coordinates whose task instances are under way.
        pods: the workspace's, by run and attempt.
        in_worker: whether the workspace's runs have no pods.
        now: with a time zone.
    """
    manifest = found.manifest
    if manifest.airflow is None and now - found.last_word <= UNATTENDED_QUIET:
        return None
    if manifest.airflow is not None and manifest.airflow in alive:
        return None
    pod = pods.get((manifest.run_id, manifest.attempt))
    if pod is None:
        return _verdict(_vanished(found, in_worker))
    if is_stuck(pod, now):
        return _verdict(stuck_ending(pod))
    if pod.status is not None and (pod.status.phase in _TERMINAL or _has_no_node(pod)):
        return _verdict(ending_of(pod, CONTAINER))
    return None  # its runner seals it, or its deadline ends it and a later sweep does


def _has_no_node(pod: k8s.V1Pod) -> bool:
    """Whether no node has taken the pod: its deadline does not run yet, and it might wait for ever."""
    return pod.status.phase == "Pending" and not pod.spec.node_name


def _vanished(found: Open, in_worker: bool) -> Ending:
    where = "Airflow has no task under way for it" + ("" if in_worker else " and Kubernetes no pod")
    message = f"the run is abandoned: {where}; its last word was at {found.last_word:%Y-%m-%d %H:%M:%S} UTC"
    has_pod = found.manifest.airflow is not None and not in_worker
    return Ending(State.LOST, Reason.POD_GONE if has_pod else Reason.NEVER_SEALED, message)


def _verdict(ending: Ending) -> Verdict:
    return Verdict(ending.state, ending.reason, ending.message, "sweeper")
