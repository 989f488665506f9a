"""The ways from Airflow's own pages: to the form, to the run, and nowhere for strangers."""

import dataclasses

import httpx
import pytest

from builders import a_run_id
from daybook.web.app import create_app
from daybook.web.world import Place, RunName
from web_notebooks import a_catalogue, a_notebook

pytestmark = pytest.mark.anyio
RUN = a_run_id("nb")
OTHER = a_run_id("other")
OPEN, CLOSED = RunName("open", RUN), RunName("closed", OTHER)


@pytest.fixture
def go(world):
    """Goes a way as Bob, who is in workspace `open` only; `runs` are those that Airflow knows of there."""

    async def go(path, runs=(), user="bob", asked=None):
        def runs_at(place):
            if asked is not None:
                asked.append(place)
            return runs

        catalogue = a_catalogue(a_notebook("nb"), a_notebook("run_notebooks"))
        app = create_app(dataclasses.replace(world, runs_at=runs_at, catalogue=lambda: catalogue))
        headers = {"Authorization": f"Bearer {user}"} if user else {"Accept": "text/html"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://daybook.test", headers=headers) as client:
            return await client.get(path)

    return go


async def test_dag_leads_to_the_form_of_its_notebook(go):
    answer = await go("/airflow/nb")
    assert (answer.status_code, answer.headers["location"]) == (303, "/run/nb")


async def test_dag_that_runs_any_notebook_leads_to_the_catalogue(go):
    assert (await go("/airflow/run_notebook")).headers["location"] == "/"


async def test_dag_run_leads_to_its_run(go):
    asked = []
    answer = await go("/airflow/nb/manual__2026-11-26T01%3A02%3A03%2B00%3A00", [OPEN], asked=asked)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/open/{RUN}")
    assert asked == [Place("nb", "manual__2026-11-26T01:02:03+00:00")]


@pytest.mark.parametrize(("given", "number"), [("2", 2), ("{MAP_INDEX}", None), ("", None), ("-1", None), ("²", None)])
async def test_task_is_asked_for_by_its_map_index_where_it_has_one(go, given, number):
    asked = []
    await go(f"/airflow/own/r?task_id=mine&map_index={given}", [OPEN], asked=asked)
    assert asked == [Place("own", "r", "mine", number)]


async def test_several_runs_are_a_choice(go):
    another = RunName("open", a_run_id("another"), "mapped, 1")
    answer = await go("/airflow/own/r", [OPEN, another])
    assert answer.status_code == 200
    assert f'href="/runs/open/{RUN}"' in answer.text
    assert f'href="/runs/open/{another.run_id}"' in answer.text
    assert "mapped, 1" in answer.text


async def test_strangers_get_the_answer_for_what_there_is_not(go):
    answers = [await go("/airflow/own/r", runs) for runs in ((), [CLOSED])]
    assert {each.status_code for each in answers} == {404}
    assert answers[0].text == answers[1].text
    assert OTHER not in answers[1].text


async def test_another_workspaces_run_is_left_out_of_the_choice(go):
    assert (await go("/airflow/own/r", [OPEN, CLOSED])).headers["location"] == f"/runs/open/{RUN}"


@pytest.mark.parametrize("path", ["/airflow/none", "/airflow/x%2F..%2Fy", "/airflow/%3Cb%3E"])
async def test_dag_of_no_notebook_is_told_of_kindly(go, path):
    answer = await go(path)
    assert answer.status_code == 404
    assert "runs no notebook that you may run" in answer.text or "no run of a notebook" in answer.text
    assert "<b>" not in answer.text


@pytest.mark.parametrize("run_id", ["../../elsewhere", "https://evil.example", "", "x", f"{RUN}\r\nSet-Cookie: a=b"])
async def test_what_a_task_made_up_leads_nowhere(go, run_id):
    assert (await go("/airflow/own/r", [RunName("open", run_id)])).status_code == 404


async def test_whoever_is_not_logged_in_logs_in_first(go):
    answer = await go("/airflow/nb/r", [OPEN], user=None)
    assert answer.headers["location"].startswith("/login?next=")


async def test_ways_may_be_shown_in_frames_of_airflow_and_of_nobody_else(go):
    for answer in (await go("/airflow/nb"), await go("/airflow/none"), await go("/airflow/nb/r", [OPEN])):
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert "x-frame-options" not in answer.headers
