"""The catalogue's page: who finds what."""

import dataclasses
import re
from datetime import UTC, datetime
from html import unescape

import httpx
import pytest

from builders import a_run_id, a_workspace
from daybook.catalogue import BrokenEntry, Catalogue, NotRunnable
from daybook.contract.errors import Fault
from daybook.contract.manifest import State
from daybook.web import finding
from daybook.web.app import create_app
from daybook.web.finding import folded
from daybook.web.history import RunRow
from daybook.web.pages.catalogue import PAGE_SIZE
from daybook.workspaces import Workspaces
from web_notebooks import a_catalogue, a_notebook

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 26, 1, 2, tzinfo=UTC)


class Runs:
    """A history that knows some newest runs, by workspace."""

    def __init__(self, *rows, knows_all=True):
        self.rows, self.all = rows, knows_all

    def knows_all(self, workspaces):
        return self.all

    def last_runs(self, workspaces, notebooks=None):
        names = {each.name for each in workspaces}
        return {row.notebook: row for row in self.rows if row.workspace in names}


def a_row(notebook="nb", workspace="open", state=State.FAILED):
    return RunRow(workspace, a_run_id(notebook), notebook, notebook, state, None, True, 1, "ada", AT, AT, 1.0)


@pytest.fixture
def look(world):
    """Looks at the catalogue of these notebooks; as Bob unless told."""

    async def look(path, catalogue, user="bob", history=None, **changes):
        app = create_app(dataclasses.replace(world, catalogue=lambda: catalogue, **changes))
        app.state.site = dataclasses.replace(app.state.site, history=history or Runs())
        headers = {"Authorization": f"Bearer {user}"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://daybook.test", headers=headers
        ) as client:
            answer = await client.get(path)
        assert answer.status_code == 200
        return answer.text

    return look


def found_in(text: str) -> list[str]:
    return re.findall(r'<h2><a href="/run/([^"?]*)', text)


async def test_people_see_what_they_may_run_and_nothing_else(look):
    catalogue = a_catalogue(a_notebook("everywhere"), a_notebook("secret", workspaces=["closed"]))
    assert found_in(await look("/", catalogue)) == ["everywhere"]
    assert found_in(await look("/", catalogue, user="alice")) == ["everywhere", "secret"]


async def test_what_is_broken_or_not_run_here_is_shown_to_nobody(look):
    broken = BrokenEntry("broken-one", "/secret/path/spec.yaml", 3, (Fault("inputs", "is wrong"),))
    catalogue = Catalogue({}, {"workflow": NotRunnable("workflow", "A workflow", "is none")}, (broken,))
    text = await look("/", catalogue)
    assert "broken-one" not in text
    assert "workflow" not in text
    assert "/secret/path" not in text
    assert "no notebook that you may run" in text


SOUGHT = a_catalogue(
    a_notebook("uberfluge", title="Überflüge", description="Satellite passes", tags=["Orbit"]),
    a_notebook("ndvi", title="Vegetation", description="Index of a scène", collections=["sentinel-2"]),
    a_notebook("strasse", title="Straße"),
)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", ["uberfluge", "ndvi", "strasse"]),
        ("ÜBERFLÜGE", ["uberfluge"]),
        ("uberfluge", ["uberfluge"]),
        ("scene", ["ndvi"]),
        ("scène", ["ndvi"]),
        ("STRASSE", ["strasse"]),
        ("sentinel", ["ndvi"]),
        ("orbit", ["uberfluge"]),
        ("passes orbit", ["uberfluge"]),
        ("orbit sentinel", []),
        ("nothing <b>", []),
    ],
)
async def test_words_find_whatever_their_accents_and_letters(look, words, found):
    text = await look(f"/?{httpx.QueryParams({'q': words})}", SOUGHT)
    assert found_in(text) == found
    assert "<b>" not in text


def test_a_letter_and_its_accent_are_one_however_they_are_written():
    assert folded("u\u0308") == folded("ü") == folded("Ü") == "u"


async def test_the_list_can_be_of_one_workspace(look):
    catalogue = a_catalogue(a_notebook("here", workspaces=["open"]), a_notebook("there", workspaces=["closed"]))
    assert found_in(await look("/?workspace=closed", catalogue, user="alice")) == ["there"]
    assert 'href="/run/there?workspace=closed"' in await look("/?workspace=closed", catalogue, user="alice")
    assert found_in(await look("/?workspace=closed", catalogue)) == [], "Bob is no member there"


async def test_whoever_has_one_workspace_is_not_asked_for_it(look):
    assert 'name="workspace"' not in await look("/", SOUGHT)
    assert 'name="workspace"' in await look("/", SOUGHT, user="alice")


async def test_the_last_run_is_shown_with_its_page(look):
    text = await look("/", a_catalogue(a_notebook()), history=Runs(a_row()))
    assert f'<a class="failed" href="/runs/open/{a_run_id("nb")}">' in text
    assert "2026-11-26 01:02 UTC" in text


async def test_a_run_of_another_workspace_is_not_shown(look):
    text = await look("/", a_catalogue(a_notebook()), history=Runs(a_row(workspace="closed")))
    assert "never run" in text
    assert a_run_id("nb") not in text


async def test_while_runs_are_still_read_no_notebook_is_said_never_to_have_run(look):
    text = await look("/", a_catalogue(a_notebook()), history=Runs(knows_all=False))
    assert "last run not known yet" in text
    assert "never run" not in text


async def test_the_next_scheduled_run_is_shown(look):
    text = await look("/", a_catalogue(a_notebook()), next_runs=lambda: {"nb": AT})
    assert "next 2026-11-26 01:02 UTC" in text


async def test_a_long_list_comes_in_pages_and_every_page_has_its_own(look):
    catalogue = a_catalogue(*(a_notebook(f"nb{number:04}") for number in range(2 * PAGE_SIZE + 1)))
    seen, path = [], "/?q=nb"
    while path:
        text = await look(path, catalogue)
        seen += found_in(text)
        following = re.search(r'<a rel="next" href="([^"]*)"', text)
        path = unescape(following[1]) if following else None
    assert seen == list(catalogue.notebooks)


@pytest.mark.parametrize("page", ["0", "-1", "x", "999999", "9" * 50, "²", ""])
async def test_a_page_that_is_none_does_no_harm(look, page):
    assert found_in(await look(f"/?page={page}", SOUGHT)) == list(SOUGHT.notebooks)


async def test_words_of_notebooks_are_words_and_no_html(look):
    hostile = "<img src=x onerror=alert(1)>"
    notebook = a_notebook(title=hostile, description=hostile, collections=[hostile], tags=[hostile])
    assert "<img" not in await look("/", a_catalogue(notebook))


async def test_of_many_workspaces_some_are_named(look):
    places = Workspaces(
        workspaces=tuple(a_workspace(name=f"w{n}", namespace=f"n{n}", bucket=f"memory:///{n}") for n in range(10))
    )
    text = await look("/", a_catalogue(a_notebook()), workspaces=lambda: places)
    assert "in w0, w1, w2 and 7 more" in text


def test_what_is_read_of_a_notebook_is_folded_once(monkeypatch):
    notebook, folded, made = a_notebook("folded_once", title="Überflüge"), finding.folded, []
    monkeypatch.setattr(finding, "folded", lambda text: made.append(text) or folded(text))
    for words in ("uber", "fluge", "uber"):
        assert finding.Words(words).are_in(notebook)
    assert len([text for text in made if "Überflüge" in text]) == 1
