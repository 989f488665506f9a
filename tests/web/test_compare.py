"""Two runs beside one another."""

from datetime import timedelta

import pytest

from builders import ASKED_AT, RUN_ID, a_manifest, a_run_id, an_output
from daybook.contract.manifest import KernelRecord, NotebookRecord, Reason, State
from daybook.web.runs import NO_SUCH_RUN
from web.test_history_page import Listed

pytestmark = pytest.mark.anyio

ALICE = {"Authorization": "Bearer alice"}
OTHER = a_run_id("flights_delays", ASKED_AT + timedelta(hours=1))
COMPARE = f"/runs/compare?a=open/{RUN_ID}&b=open/{OTHER}"


async def compared(client, save, old, new):
    save(a_manifest(**old))
    save(a_manifest(**{"run_id": OTHER, **new}))
    answer = await client.get(COMPARE)
    assert answer.status_code == 200, answer.text
    return Listed(answer.text.replace("<wbr>", ""))  # where names may break


async def test_parameters_and_results_stand_beside_one_another_with_what_differs(client, save):
    page = await compared(
        client,
        save,
        {"parameters": {"origin": "JFK", "days": 3}, "results": {"mean": 1.5, "n": 4}},
        {"parameters": {"origin": "LGA", "days": 3, "new": None}, "results": {"mean": 1.5, "n": True}},
    )
    for row in ("origin differs JFK LGA", "days 3 3", "new differs none null", "mean 1.5 1.5", "n differs 4 true"):
        assert row in page.rows


async def test_what_ran_stands_beside_one_another(client, save):
    page = await compared(
        client,
        save,
        {
            "notebook": NotebookRecord(id="n", source="/n", sha256="a" * 64),
            "image": "i:1",
            "image_digest": "sha256:1",
            "packages": {"numpy": "1", "pandas": "2", "gone": "3"},
        },
        {
            "notebook": NotebookRecord(id="n", source="/n", sha256="b" * 64),
            "image": "i:2",
            "image_digest": "sha256:1",
            "packages": {"numpy": "1", "pandas": "3", "new": "4"},
            "kernel": KernelRecord(name="python3", language="python", language_version="3.12"),
        },
    )
    for row in (
        f"Notebook (SHA-256) differs {'a' * 64} {'b' * 64}",
        "Image differs i:1 i:2",
        "Image digest sha256:1 sha256:1",
        "Kernel differs python3 3.11.7 python3 3.12",
        "pandas 2 3",
        "gone 3 none",
        "new none 4",
        "Started 2026-11-23 01:02:04 UTC 2026-11-23 01:02:04 UTC",
        "Took 12.0 s 12.0 s",
    ):
        assert row in page.rows
    assert "3 packages differ, 1 are the same" in page.text


async def test_images_of_one_path_are_side_by_side(client, save):
    image, text = an_output("a b/ü.png", media_type="image/png"), an_output("t.csv")
    other = an_output("a b/ü.png", media_type="image/png", sha256="1" * 64)
    alone = an_output("svg.svg", media_type="image/svg+xml")
    page = await compared(client, save, {"outputs": (image, text, alone)}, {"outputs": (other, alone)})
    sources = [f"/runs/open/{run}/outputs/a%20b/%C3%BC.png" for run in (RUN_ID, OTHER)]
    assert [link for link in page.links if "outputs" in link] == sources
    assert page.tags.count("img") == 2
    assert "a b/ü.png differs 3 bytes 3 bytes" in page.rows
    assert "t.csv differs 3 bytes none" in page.rows


async def test_how_they_ended_is_told(client, save):
    page = await compared(
        client, save, {"state": State.FAILED, "reason": Reason.CELL_ERROR, "message": "Cell 3 raised"}, {}
    )
    assert "failed · cell error" in page.text
    assert "Cell 3 raised" in page.text


async def test_the_list_of_runs_leads_there_older_run_first(client, save):
    save(a_manifest())
    save(a_manifest(run_id=OTHER, state=State.LOST))
    answer = await client.get(f"/runs/compare?run=open/{OTHER}&run=open/{RUN_ID}")
    assert answer.status_code == 200
    assert answer.text.index(RUN_ID) < answer.text.index(OTHER)


@pytest.mark.parametrize("query", ["", f"?a=open/{RUN_ID}", f"?run=open/{RUN_ID}", "?run=1&run=2&run=3"])
async def test_it_takes_two(client, save, query):
    save(a_manifest())
    answer = await client.get(f"/runs/compare{query}")
    assert answer.status_code == 400
    assert "Choose two runs" in answer.text


@pytest.mark.parametrize(
    "other",
    [
        f"closed/{RUN_ID}",
        f"none/{RUN_ID}",
        f"open/{a_run_id('none')}",
        f"open/../closed/{RUN_ID}",
        "open/x",
        "x",
        "open/",
        "/",
    ],
)
@pytest.mark.parametrize("order", ["a={0}&b={1}", "a={1}&b={0}", "run={0}&run={1}"])
async def test_both_must_be_runs_that_one_may_see(client, save, other, order):
    save(a_manifest())
    answer = await client.get("/runs/compare?" + order.format(f"open/{RUN_ID}", other))
    assert (answer.status_code, answer.text) == (404, NO_SUCH_RUN + "\n")


async def test_runs_of_two_workspaces_can_be_compared_by_a_member_of_both(client, save):
    save(a_manifest())
    answer = await client.get(f"/runs/compare?a=open/{RUN_ID}&b=closed/{RUN_ID}", headers=ALICE)
    assert answer.status_code == 200
    assert f"/runs/closed/{RUN_ID}" in answer.text


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"])
async def test_nothing_in_a_record_becomes_markup(client, save, text):
    hostile = {
        "parameters": {text: text},
        "results": {text: [text]},
        "message": text,
        "notebook": NotebookRecord(id=text, title=text, source=text),
        "packages": {text: text},
        "image": text,
        "outputs": (an_output(text),),
        "user": text,
    }
    page = await compared(client, save, hostile, {})
    assert not {"script", "img"} & set(page.tags)
    assert "49" not in "".join(page.rows)


async def test_secrets_are_named_by_their_keys_alone(client, save):
    page = await compared(client, save, {"secrets": {"token": "mine"}}, {"secrets": {"token": "theirs"}})
    assert "token differs mine theirs" in page.rows
