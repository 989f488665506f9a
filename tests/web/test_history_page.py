"""The page of all runs: who sees which, how they are chosen, and that nothing in a record becomes markup."""

import dataclasses
from datetime import timedelta
from html.parser import HTMLParser
from types import SimpleNamespace

import httpx
import pytest

from builders import ASKED_AT, a_manifest, a_run_id
from daybook.contract import keys
from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import NotebookRecord, Reason, State
from daybook.storage import open_store, record_of
from daybook.web import headers
from daybook.web.app import create_app
from daybook.web.history import Page, RunRow
from daybook.web.world import Asked

pytestmark = pytest.mark.anyio

ALICE = {"Authorization": "Bearer alice"}


OUR_SCRIPT = "/static/frame.js"
"""The one of all pages."""


class Listed(HTMLParser):
    """The rows of the list, their links, and every tag of the page."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.links, self.tags, self.values, self._words = [], [], [], [], None
        self.feed(text)
        self.text = " ".join(text.split())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if attributes.get("src", "").partition("?")[0] != OUR_SCRIPT:
            self.tags.append(tag)
        if tag == "tr":
            self._words = []
        if tag == "a":
            self.links.append(attributes["href"])
        if attributes.get("name") == "run":
            self.values.append(attributes["value"])

    def handle_data(self, data):
        if self._words is not None:
            self._words.append(data)

    def handle_endtag(self, tag):
        if tag == "tr":
            self.rows.append(" ".join(" ".join(self._words).split()))
            self._words = None


async def listed(client, query="", status=200, **options):
    answer = await client.get(f"/runs{query}", **options)
    assert answer.status_code == status, answer.text
    assert {name: answer.headers[name] for name in headers.PAGE} == headers.PAGE
    return Listed(answer.text)


def a_run(number=0, **changes):
    run_id = a_run_id("flights_delays", ASKED_AT + timedelta(seconds=number), str(number))
    return a_manifest(**{"run_id": run_id, **changes})


def asked(number=0, **changes):
    given = {
        "run_id": a_run_id("waits", ASKED_AT + timedelta(seconds=number), str(number)),
        "notebook": "waits",
        "workspace": "open",
        "user": "bob",
        "asked_at": ASKED_AT,
        "dag_id": "waits",
        "dag_run_id": "manual",
        "state": "queued",
    }
    return Asked(**{**given, **changes})


def client_of(world, **changes):
    transport = httpx.ASGITransport(create_app(dataclasses.replace(world, **changes)), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://daybook.test", headers=ALICE)


async def test_runs_are_listed_and_lead_to_their_pages(client, save):
    path = save(a_manifest())
    failed = save(a_run(9, state=State.FAILED, reason=Reason.CELL_ERROR, attempt=3))
    page = await listed(client)
    assert page.rows[1:] == [
        "Delays of flights flights_delays failed · cell error attempt 3 open alice 2026-11-23 01:02 12.0 s",
        "Delays of flights flights_delays succeeded open alice 2026-11-23 01:02 12.0 s",
    ]
    assert [link for link in page.links if link in (path, failed)] == [failed, path]
    for link in (path, failed):
        assert (await client.get(link)).status_code == 200


async def test_only_runs_of_workspaces_that_somebody_may_see_are_listed(world, save):
    save(a_manifest())
    async with client_of(world) as client:
        alice = await listed(client)
        bob = await listed(client, headers={"Authorization": "Bearer bob"})
    assert {value.split("/")[0] for value in alice.values} == {"open", "closed"}
    assert {value.split("/")[0] for value in bob.values} == {"open"}
    assert "closed" not in bob.text


@pytest.mark.parametrize("name", ["closed", "none", "../closed", "<b>"])
async def test_another_workspace_is_as_one_that_there_is_not(client, save, name):
    save(a_manifest())
    page = await listed(client, f"?workspace={name}", 400)
    assert "there is no such workspace, or you may not see it" in page.text
    assert page.rows == []


async def test_a_program_that_is_not_logged_in_is_told_so(client):
    assert (await client.get("/runs", headers={"Authorization": ""})).status_code == 401


async def test_fifty_runs_a_page_and_a_link_to_the_next(client, save):
    for number in range(60):
        save(a_run(number))
    first = await listed(client)
    assert len(first.values) == 50
    (next_link,) = [link for link in first.links if "after=" in link]
    second = await listed(client, next_link.removeprefix("/runs"))
    assert len(second.values) == 10
    assert not set(first.values) & set(second.values)
    assert not [link for link in second.links if "after=" in link]


async def test_the_filter_is_kept_on_the_next_page(client, save):
    for number in range(60):
        save(a_run(number, user="a&b=c"))
    first = await listed(client, "?by=a%26b%3Dc&state=succeeded&workspace=open")
    (next_link,) = [link for link in first.links if "after=" in link]
    assert "by=a%26b%3Dc" in next_link
    assert len((await listed(client, next_link.removeprefix("/runs"))).values) == 10


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?notebook=flights_delays", 2),
        ("?notebook=other", 0),
        ("?state=failed", 1),
        ("?by=alice", 1),
        ("?by=+alice+&state=", 1),
        ("?since=2026-11-23&until=2026-11-23", 2),
        ("?since=2026-11-24", 0),
        ("?until=2026-11-22", 0),
        ("?workspace=open&notebook=flights_delays&state=failed&by=carol", 1),
    ],
)
async def test_runs_are_chosen_by_the_filter(client, save, query, count):
    save(a_run(1))
    save(a_run(2, state=State.FAILED, user="carol"))
    assert len((await listed(client, query)).values) == count


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?state=dead", "must be one of queued, running"),
        ("?since=yesterday", "must be a day, as 2026-11-26"),
        ("?until=9999-12-31", "must be a day, as 2026-11-26"),
        ("?until=0001-01-01", "must be a day, as 2026-11-26"),
        ("?since=2026-11-02&until=2026-11-01", "lies before the first day"),
        ("?after=x", "begin at the first page"),
        ("?after=%00", "begin at the first page"),
    ],
)
async def test_what_is_wrong_with_a_filter_is_said_beside_it(client, save, query, said):
    save(a_manifest())
    page = await listed(client, query, 400)
    assert said in page.text
    assert page.values == []


async def test_every_fault_is_said_at_once(client):
    page = await listed(client, "?state=dead&since=x&workspace=none", 400)
    assert page.tags.count("span") >= 3
    assert all(said in page.text for said in ("must be one of", "must be a day", "no such workspace"))


async def test_empty_states_say_what_to_do(client, world):
    assert "Nothing has run yet" in (await listed(client)).text
    assert "No runs fit." in (await listed(client, "?by=nobody")).text
    nobody = world.workspaces().model_copy(update={"workspaces": world.workspaces().workspaces[1:]})
    async with client_of(world, workspaces=lambda: nobody) as lonely:
        page = await listed(lonely, headers={"Authorization": "Bearer bob"})
    assert "You are in no workspace yet" in page.text


async def test_runs_that_wait_in_airflow_come_first_until_they_have_a_record(world, save):
    save(a_run(1))
    has_record = asked(run_id=a_run(1).run_id)
    async with client_of(world, waiting=lambda w: [asked(), has_record] if w.name == "open" else []) as client:
        page = await listed(client)
        rows = page.rows[1:]
        assert rows[0] == "waits waiting in Airflow open bob 2026-11-23 01:02"
        assert len(rows) == 3, "one waits, and the same record lies in both workspaces of these tests"
        assert len((await listed(client, "?notebook=waits")).rows) == 2
        for query in ("?state=failed", "?by=alice&workspace=closed", "?notebook=x", "?until=2026-11-22"):
            assert "waiting in Airflow" not in (await listed(client, query)).text


async def test_runs_of_others_that_wait_are_not_shown(world):
    seen = []

    def waiting(workspace):
        seen.append(workspace.name)
        return [asked(workspace=workspace.name)]

    async with client_of(world, waiting=waiting) as client:
        await listed(client, headers={"Authorization": "Bearer bob"})
    assert seen == ["open"]


async def test_a_bucket_that_does_not_answer_is_named(world):
    def away(_):
        raise StoreFailed("cannot list s3://secret-name: refused")

    async with client_of(world, bucket=away) as client:
        page = await listed(client)
    assert "The bucket of workspace open does not answer now" in page.text
    assert "secret-name" not in page.text


async def test_a_broken_record_is_named_with_its_fault(client, bucket, save):
    save(a_run(1))
    record_of(bucket, a_run(2).run_id).store.write(keys.MANIFEST, b"{}")
    page = await listed(client)
    assert len(page.values) == 1
    assert "Records that cannot be read" in page.text
    assert f"open/{a_run(2).run_id}" in page.text


HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "' onmouseover='x"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_nothing_in_a_record_or_a_filter_becomes_markup(client, save, text):
    save(a_run(1, user=text, notebook=NotebookRecord(id=text, title=text, source=text)))
    hostile = await listed(client, "?by=&notebook=")
    save(a_run(1, user="x", notebook=NotebookRecord(id="x", title="x", source="x"), attempt=2, sealed=True))
    assert not {"img", "object"} & set(hostile.tags)
    assert hostile.tags.count("script") == 1, "the page's own"
    assert "49" not in "".join(hostile.rows[1:])
    query = str(httpx.QueryParams({"by": text, "notebook": text}))
    of_filter = (await listed(client, f"?{query}")).tags
    assert ("img" in of_filter, of_filter.count("script")) == (False, 1)


async def test_the_index_lies_in_the_folder_of_the_world(world, save, tmp_path):
    save(a_manifest())
    folder = open_store(str(tmp_path / "bucket"))
    record_of(folder, a_manifest().run_id).write(a_manifest())
    async with client_of(world, state=tmp_path / "state", bucket=lambda _: folder) as client:
        assert len((await listed(client)).values) == 2
    assert [each.name for each in (tmp_path / "state").glob("*.sqlite3")]


async def test_the_event_loop_is_never_held_up(world, bucket):
    import threading

    threads = []

    def slow(_):
        threads.append(threading.current_thread())
        return bucket

    async with client_of(world, bucket=slow) as client:
        await listed(client)
    assert threads
    assert threading.main_thread() not in threads


async def test_a_page_whose_bucket_is_slow_says_of_when_it_is_and_how_to_look_again(world):
    page = Page((), None, is_complete=True, is_refreshing=True, as_of=ASKED_AT)
    async with client_with(world, page) as client:
        shown = await listed(client, "?by=bob")
    assert "As of 2026-11-23 01:02:03 UTC; newer runs are being looked for." in shown.text
    assert "/runs?by=bob" in shown.links


async def test_a_page_of_a_bucket_that_nobody_has_looked_into_says_so(world):
    async with client_with(world, Page((), None, is_complete=False, is_refreshing=True)) as client:
        shown = await listed(client)
    assert "The runs are being looked for." in shown.text


async def test_a_page_that_is_not_whole_yet_says_so_and_looks_again(world):
    page = Page((a_row(),), None, is_complete=False, is_refreshing=True)
    async with client_with(world, page) as client:
        shown = await listed(client)
    assert "These are the newest runs; the others are being read." in shown.text
    assert "Older runs are still being read" not in shown.text
    assert "Look again" in shown.text


def a_row():
    return RunRow(
        workspace="open",
        run_id=a_run_id(),
        notebook="flights",
        title="Flights",
        state=State.SUCCEEDED,
        reason=None,
        sealed=True,
        attempt=1,
        user="alice",
        asked_at=ASKED_AT,
        finished_at=ASKED_AT,
        duration_seconds=1.0,
    )


def client_with(world, page):
    """A client of an app whose history has this page."""
    app = create_app(world)
    history = SimpleNamespace(page=lambda *_, **__: page, notebooks=lambda *_: [], known=lambda *_: {})
    app.state.site = dataclasses.replace(app.state.site, history=history)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://daybook.test", headers=ALICE)
