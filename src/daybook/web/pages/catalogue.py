"""The catalogue: the notebooks that somebody may run, to be found by words and by workspace.

Entries that are broken or not run here are shown to nobody: what is wrong with them names files, and is told where
those who can mend them look, in Airflow's import errors and by `daybook notebooks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.requests import Request

from daybook.catalogue import Notebook
from daybook.web.asking import may_run
from daybook.web.finding import Words
from daybook.web.history import RunRow
from daybook.web.site import Here, User

router = APIRouter(include_in_schema=False)

PAGE_SIZE = 50
"""Notebooks on one page: more than anybody reads through, few enough to come at once."""


@dataclass(frozen=True)
class Row:
    """A notebook in the list.

    Attributes:
        notebook: which.
        workspaces: where this person may run it, of those that are looked at.
        last: its newest run there.
        next: when it runs next by itself.
    """

    notebook: Notebook
    workspaces: tuple[str, ...]
    last: RunRow | None
    next: datetime | None


@router.get("/")
def page(site: Here, user: User, request: Request) -> Response:
    """The list, or the part of it that was looked for."""
    wanted = Wanted.of(request.query_params)
    mine = site.workspaces_of(user)
    places = [each for each in mine if wanted.workspace in ("", each.name)]
    words = Words(wanted.q)
    found = [
        each
        for each in site.world.catalogue().notebooks.values()
        if words.are_in(each) and any(may_run(user, place, each) for place in places)
    ]
    pages = max(1, -(-len(found) // PAGE_SIZE))
    number = min(wanted.page, pages)
    shown = found[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    last, coming = site.history.last_runs(places, [each.id for each in shown]), site.world.next_runs()
    rows = [
        Row(
            each,
            tuple(place.name for place in places if may_run(user, place, each)),
            last.get(each.id),
            coming.get(each.id),
        )
        for each in shown
    ]
    return site.page(
        "catalogue.html",
        here="notebooks",
        user=user.user,
        rows=rows,
        knows_all=site.history.knows_all(places),
        count=len(found),
        wanted=wanted,
        workspaces=[each.name for each in mine],
        number=number,
        pages=pages,
    )


@dataclass(frozen=True)
class Wanted:
    """What is looked for.

    Attributes:
        q: words that must all be there.
        workspace: the only one to look at; empty for all.
        page: from 1.
    """

    q: str
    workspace: str
    page: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """What a query says; nonsense counts as nothing."""
        number = query.get("page", "")
        is_number = number.isascii() and number.isdigit() and len(number) < 7
        return cls(query.get("q", "").strip(), query.get("workspace", ""), max(1, int(number)) if is_number else 1)

    def link(self, page: int) -> str:
        """The query of another page of the same."""
        query = {"q": self.q, "workspace": self.workspace, "page": str(page) if page > 1 else ""}
        return "?" + urlencode({name: text for name, text in query.items() if text})
