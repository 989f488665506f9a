"""The page of all runs: which there were, the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import Response

from daybook.contract.manifest import State
from daybook.web.history import Cursor, Filter, Page
from daybook.web.site import Here, Site, User
from daybook.web.world import Asked
from daybook.workspaces import Workspace

router = APIRouter()

ROWS = 50
"""How many runs a page shows."""
_WAITING_ROWS = 50
_SUGGESTED_NOTEBOOKS = 200
"""How many ids the field of notebooks offers; any other can be typed."""
_YEARS = range(1970, 9999)

_STATES = {"queued": State.QUEUED, "running": State.RUNNING}
"""Airflow's words for a run that it has taken and not ended."""


@dataclass(frozen=True)
class Wanted:
    """What was asked for, as it was typed, and what it means.

    Attributes:
        given: by field name; what was left empty is not there.
        where: the filter.
        workspaces: those to look in.
        after: where the page begins.
        faults: what is wrong, by field name.
    """

    given: Mapping[str, str]
    where: Filter
    workspaces: Sequence[Workspace]
    after: str | None
    faults: Mapping[str, str]

    @property
    def query(self) -> str:
        """The filter alone, for links."""
        return urlencode({name: value for name, value in self.given.items() if name != "after"})


@router.get("/runs", include_in_schema=False)
def page(
    site: Here,
    user: User,
    workspace: str = "",
    notebook: str = "",
    state: str = "",
    by: str = "",
    since: str = "",
    until: str = "",
    after: str = "",
) -> Response:
    """Runs of the workspaces that the asking user may see."""
    visible = site.workspaces_of(user)
    given = {
        "workspace": workspace,
        "notebook": notebook,
        "state": state,
        "by": by,
        "since": since,
        "until": until,
        "after": after,
    }
    wanted = read_wanted({name: text.strip() for name, text in given.items() if text.strip()}, visible)
    found, waiting = Page((), None, is_complete=True), list[Asked]()
    if not wanted.faults:
        found = site.history.page(wanted.workspaces, wanted.where, wanted.after, ROWS, soon=True)
        waiting = list(waiting_runs(site, wanted)) if wanted.after is None else []
    return site.page(
        "history.html",
        status=400 if wanted.faults else 200,
        here="runs",
        user=user.user,
        wanted=wanted,
        visible=visible,
        states=list(State),
        notebooks=site.history.notebooks(visible, _SUGGESTED_NOTEBOOKS),
        found=found,
        waiting=waiting[:_WAITING_ROWS],
        title_of=site.title_of,
        waiting_more=max(0, len(waiting) - _WAITING_ROWS),
        next_query=urlencode({**wanted.given, "after": found.after}) if found.after else None,
    )


def read_wanted(given: Mapping[str, str], visible: Sequence[Workspace]) -> Wanted:
    """What the fields of the filter mean; every fault is told. Another's workspace is as one that there is not."""
    faults: dict[str, str] = {}
    chosen = [each for each in visible if given.get("workspace") in (None, each.name)]
    if "workspace" in given and not chosen:
        faults["workspace"] = "there is no such workspace, or you may not see it"
    where = Filter(
        notebook=given.get("notebook"),
        state=_state(given, faults),
        user=given.get("by"),
        since=_date("since", given, faults),
        until=_date("until", given, faults),
    )
    if where.since and where.until and where.since > where.until:
        faults["until"] = "lies before the first day"
    if "after" in given:
        try:
            Cursor.read(given["after"])
        except ValueError as error:
            faults["after"] = f"the page {error}"
    return Wanted(given, where, chosen, given.get("after"), faults)


def _state(given: Mapping[str, str], faults: dict[str, str]) -> State | None:
    if "state" not in given:
        return None
    try:
        return State(given["state"])
    except ValueError:
        faults["state"] = f"must be one of {', '.join(State)}"
        return None


def _date(name: str, given: Mapping[str, str], faults: dict[str, str]) -> date | None:
    if name not in given:
        return None
    try:
        found = date.fromisoformat(given[name])
    except ValueError:
        found = None
    if found is None or found.year not in _YEARS:
        faults[name] = "must be a day, as 2026-11-26"
        return None
    return found


def waiting_runs(site: Site, wanted: Wanted) -> Iterator[Asked]:
    """Runs that Airflow has taken and that have no record yet, the newest first."""
    found: list[Asked] = []
    for workspace in wanted.workspaces:
        asked = site.world.waiting(workspace)
        known = site.history.known(workspace, [each.run_id for each in asked])
        found += [each for each in asked if each.run_id not in known]
    return iter(sorted(_fitting(found, wanted.where), key=lambda each: each.run_id, reverse=True))


def _fitting(found: Iterable[Asked], where: Filter) -> Iterator[Asked]:
    for each in found:
        day = each.asked_at.date()
        if (
            where.notebook in (None, each.notebook)
            and where.state in (None, _STATES.get(each.state, State.QUEUED))
            and where.user in (None, each.user)
            and (where.since is None or day >= where.since)
            and (where.until is None or day <= where.until)
        ):
            yield each
