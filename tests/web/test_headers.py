"""What every answer tells a browser that it may do with it, whoever asks and whatever comes of it."""

import httpx
import pytest

from builders import RUN_ID, a_manifest, an_output
from daybook.contract import keys
from daybook.web.app import create_app
from web.test_isolation import filled, routes

pytestmark = pytest.mark.anyio

OUTPUT = an_output("delays.csv")
FILES = dict.fromkeys((keys.NOTEBOOK_FILE, keys.HTML_FILE, keys.LOG_FILE, OUTPUT.key), b"abc")
OTHERS = [("GET", "/none"), ("PATCH", "/runs"), ("GET", "/runs/"), ("GET", "//"), ("GET", "/run/%ff"), ("TRACE", "/")]
"""What no route answers."""


@pytest.mark.parametrize(("method", "path"), [*routes(), *OTHERS])
@pytest.mark.parametrize("who", ["alice", "bob", None])
async def test_every_answer_says_what_a_browser_may_do_with_it(world, save, method, path, who):
    save(a_manifest(workspace="closed", outputs=(OUTPUT,)), FILES)
    transport = httpx.ASGITransport(create_app(world), raise_app_exceptions=False)
    marks = {"Authorization": f"Bearer {who}"} if who else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://daybook.test", headers=marks) as client:
        if who == "alice" and path.endswith("/events"):
            return  # goes on until the run ends: what it says is looked at elsewhere
        answer = await client.request(method, filled(path, workspace="closed", run_id=RUN_ID, name="daybook.css"))
    assert answer.headers["x-content-type-options"] == "nosniff", answer.status_code
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer")
    kept = set(answer.headers["cache-control"].split(", "))
    assert kept & {"no-store", "no-cache"} or (path == "/static/{name}" and "immutable" in kept)


@pytest.mark.parametrize(("path", "place"), [("/runs/", "/runs"), ("/runs/?state=failed", "/runs?state=failed")])
async def test_the_frameworks_own_redirects_lead_to_no_name_that_a_proxy_asks_us_by(client, path, place):
    answer = await client.get(path, headers={"Host": "airflow-api-server.airflow.svc:8080"})
    assert (answer.status_code, answer.headers["location"]) == (307, place)


async def test_none_of_them_leads_to_another_host(client):
    answer = await client.get("//evil.example/run/")
    assert not answer.headers.get("location", "/").startswith("//")
    again = await client.get("//runs/")
    assert not again.headers.get("location", "/").startswith("//")
