"""Finding a run by what a person has at hand: its id, a piece of it, or Airflow's id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from daybook.cli.settings import Settings
from daybook.contract import keys
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.manifest import Manifest
from daybook.storage import RunRecord, Store, UnreadableManifest, record_of, run_ids
from daybook.workspaces import Workspace

_SEARCHED_IDS = 20_000
"""How many of a workspace's newest runs a piece of an id is looked for in: a listing, no manifest is read."""
_SEARCHED_MANIFESTS = 500
"""How many of a workspace's newest manifests are read to find an Airflow run id."""
_NAMED = 5
"""How many runs an error names that a piece of an id fits."""


@dataclass(frozen=True)
class Found:
    """A run's record and where it lies."""

    workspace: Workspace
    record: RunRecord
    manifest: Manifest


def find_run(settings: Settings, text: str) -> Found | None:
    """The one run with a record that a text means; None where no such run fits.

    Args:
        settings: where the workspaces are.
        text: a run id, a beginning or end of one, or the id of an Airflow run.

    Raises:
        InvalidRequest: several runs fit; they are named.
        StoreFailed: a workspace's bucket does not answer.
    """
    places = [(workspace, settings.open_bucket(workspace)) for workspace in settings.load_workspaces()]
    if not text.strip():
        raise InvalidRequest("which run?", [Fault("RUN", "is empty; `daybook runs` lists them")])
    if keys.is_run_id(text):
        candidates = [(workspace, bucket, text) for workspace, bucket in places]
    else:
        candidates = list(_fitting(places, lambda run: run.startswith(text) or run.endswith(text)))
    found = [one for one in (_read(*candidate) for candidate in islice(candidates, _NAMED + 1)) if one is not None]
    found = found or list(_by_airflow_id(places, text))
    if not found:
        return None
    one_of([one.manifest.run_id for one in found], text)
    return found[0]


def one_of(run_ids: Sequence[str], text: str) -> str:
    """The only one of the runs that a text fits.

    Raises:
        InvalidRequest: there are several.
    """
    if len(run_ids) > 1:
        names = ", ".join(run_ids[:_NAMED]) + (" …" if len(run_ids) > _NAMED else "")
        raise InvalidRequest("which run?", [Fault(text, f"fits several: {names}")])
    return run_ids[0]


def _fitting(
    places: list[tuple[Workspace, Store]], fits: Callable[[str], bool]
) -> Iterator[tuple[Workspace, Store, str]]:
    for workspace, bucket in places:
        for run in islice(run_ids(bucket), _SEARCHED_IDS):
            if fits(run):
                yield workspace, bucket, run


def _read(workspace: Workspace, bucket: Store, run: str) -> Found | None:
    record = record_of(bucket, run)
    manifest = record.read()
    return Found(workspace, record, manifest) if manifest is not None else None


def _by_airflow_id(places: list[tuple[Workspace, Store]], run_id: str) -> Iterator[Found]:
    for workspace, bucket in places:
        for run in islice(run_ids(bucket), _SEARCHED_MANIFESTS):
            found = None
            with suppress(UnreadableManifest):  # `daybook runs` names it
                found = _read(workspace, bucket, run)
            if found is not None and found.manifest.airflow is not None and found.manifest.airflow.run_id == run_id:
                yield found
