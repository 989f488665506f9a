"""The pages' path without its last slash."""

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from daybook.on_airflow.bare_path import BarePath

pytestmark = pytest.mark.anyio


def airflow(root_path=""):
    """An app with a mounted one and a page for all else, as Airflow is."""
    inner, app = FastAPI(), FastAPI(root_path=root_path)
    inner.add_api_route("/", lambda: PlainTextResponse("catalogue"))
    app.mount("/notebooks", inner)
    app.add_api_route("/{rest:path}", lambda rest: PlainTextResponse(f"core {rest}"), methods=["GET", "HEAD", "POST"])
    app.add_middleware(BarePath, prefix="/notebooks")
    return app


def asking(app, **options):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, **options), base_url="http://daybook.test")


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/notebooks", "http://daybook.test/notebooks/"),
        ("/notebooks?q=a%20b&workspace=x", "http://daybook.test/notebooks/?q=a%20b&workspace=x"),
    ],
)
async def test_it_leads_to_the_catalogue_with_the_query_kept(path, leads_to):
    async with asking(airflow()) as client:
        answer = await client.get(path, follow_redirects=True)
    assert (answer.text, str(answer.url)) == ("catalogue", leads_to)


async def test_below_a_path_of_a_proxys_too():
    async with asking(airflow("/air"), root_path="/air") as client:
        answer = await client.get("/air/notebooks")
    assert answer.status_code == 307
    assert str(answer.next_request.url) == "http://daybook.test/air/notebooks/"


@pytest.mark.parametrize("path", ["/", "/notebook", "/notebooksx", "/other/notebooks"])
async def test_no_other_path_is_touched(path):
    async with asking(airflow()) as client:
        assert (await client.get(path)).text == f"core {path[1:]}"


async def test_a_post_is_not_sent_on():
    async with asking(airflow()) as client:
        assert (await client.post("/notebooks")).text == "core notebooks"
