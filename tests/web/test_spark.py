"""The workspaces' Spark servers on the page and in the API: what is shown to whom, and who may start and stop them."""

import dataclasses
import re
import threading

import httpx
import pytest

from builders import a_manifest, a_workspace
from daybook.contract.errors import Fault, InvalidRequest, NotAllowed
from daybook.contract.manifest import SparkRecord
from daybook.contract.spark_state import SparkState
from daybook.storage.spark_states import tell_spark_state
from daybook.web import spark
from daybook.web.app import create_app
from daybook.web.spark import link_to
from daybook.web.tokens.csrf import Csrf
from daybook.web.world import Conflict
from daybook.workspaces import Identity, SparkServer, SparkSettings, Workspaces
from web_api import Airflow, with_airflow
from web_showcase import a_server

pytestmark = pytest.mark.anyio

NAME = "daybook-spark-open-0123456789"
HOME = {"Sec-Fetch-Site": "same-origin", "Origin": "http://daybook.test"}
MANAGED = SparkSettings(server=SparkServer())
REMOTE = SparkSettings(remote="sc://spark.example:15002", ui="https://spark.example/ui")


@pytest.fixture
def airflow():
    return Airflow()


@pytest.fixture
def world(world, airflow):
    """Bob is in all but `closed`."""
    found = Workspaces(
        workspaces=(
            a_workspace(name="open", spark=MANAGED),
            a_workspace(name="standing", namespace="standing", spark=REMOTE),
            a_workspace(name="without", namespace="without"),
            a_workspace(name="closed", namespace="closed", members=("alice",), spark=MANAGED),
        )
    )
    return with_airflow(dataclasses.replace(world, workspaces=lambda: found), airflow)


@pytest.fixture
def tell(bucket):
    def tell(name=NAME, **changes):
        tell_spark_state(bucket, a_server(name, **changes))

    return tell


def browser(world, name="bob"):
    """What vouches for its posts is a cookie, which any site can have it send."""
    transport = httpx.ASGITransport(create_app(world), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://daybook.test", cookies={"_token": name})


async def press(world, deed, workspace="open", csrf=None, headers=HOME):
    data = {"csrf": Csrf(world.key).token(Identity("bob")) if csrf is None else csrf}
    async with browser(world) as bob:
        return await bob.post(f"/spark/{workspace}/{deed}", data=data, headers=headers)


async def test_the_page_shows_servers_with_state_size_sessions_and_pages(client, tell):
    tell(ui="http://127.0.0.1:4040")
    tell("daybook-spark-open-failed", state=SparkState.FAILED, why="its Java ended <b>", sessions=None)
    page = (await client.get("/spark")).text
    assert "answers queries" in page
    assert "2 sessions" in page
    assert "1 core, 1 GiB" in page
    assert 'href="http://127.0.0.1:4040"' in page
    assert "its Java ended &lt;b&gt;" in page
    assert "sc://spark.example:15002" in page
    assert 'href="https://spark.example/ui"' in page
    assert "Without a server: without." in page
    assert "closed" not in page


async def test_nothing_is_shown_of_a_workspace_of_others_nor_of_one_that_shares_the_bucket(client, tell):
    tell(workspace="closed")
    page = (await client.get("/spark")).text
    assert NAME not in page
    assert "No server runs" in page
    found = (await client.get("/api/v1/spark")).json()["workspaces"]
    assert [(each["workspace"], each["kind"], each["servers"]) for each in found] == [
        ("open", "server", []),
        ("standing", "remote", []),
        ("without", "none", []),
    ]


async def test_the_api_tells_the_same(client, tell):
    tell()
    (server,) = (await client.get("/api/v1/spark/open")).json()["servers"]
    assert (server["name"], server["state"], server["sessions"]) == (NAME, "answers", 2)
    assert server["size"]["driver_memory"] == "1g"
    for name in ("closed", "none"):
        assert (await client.get(f"/api/v1/spark/{name}")).status_code == 404


@pytest.mark.parametrize(
    "ui", ["javascript:alert(1)", "http://10.1.2.3:4040", "https://evil.example/", None, "http://["]
)
def test_only_pages_on_this_machine_are_linked(ui):
    assert link_to(ui) is None


@pytest.mark.parametrize(
    "ui", ["http://127.0.0.1:4040", "http://127.5.0.2:4040/jobs", "http://localhost:4040", "http://[::1]:1"]
)
def test_pages_on_this_machine_are(ui):
    assert link_to(ui) == ui


async def test_what_a_notebook_writes_there_is_no_way_to_a_script(client, bucket):
    text = a_server(NAME).model_dump_json().replace("http://10.1.2.3:4040", "javascript:alert(1)")
    bucket.write(f"spark/servers/{NAME}.json", text.encode())
    assert "javascript:" not in (await client.get("/spark")).text


@pytest.mark.parametrize("deed", ["start", "stop"])
async def test_a_member_starts_and_stops_a_server_and_is_led_back(world, airflow, deed):
    answer = await press(world, deed)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/spark?asked={deed}&workspace=open")
    assert airflow.deeds == [("bob", "open", deed)]
    async with browser(world) as bob:
        assert f"Airflow {deed}s the server of open" in (await bob.get(answer.headers["location"])).text


async def test_a_link_can_make_the_page_say_nothing_of_its_own(client):
    page = (await client.get("/spark?asked=start&workspace=<b>come+to+evil.example</b>")).text
    assert "evil.example" not in page


@pytest.mark.parametrize("deed", ["start", "stop"])
@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}])
async def test_another_site_starts_and_stops_nothing(world, airflow, deed, headers):
    assert (await press(world, deed, headers=headers)).status_code == 403
    assert (await press(world, deed, csrf="x" * 80)).status_code == 403
    assert not airflow.deeds


@pytest.mark.parametrize("workspace", ["closed", "none"])
async def test_strangers_start_and_stop_nothing(world, airflow, workspace, bob):
    assert (await press(world, "start", workspace)).status_code == 404
    assert (await bob.post(f"/api/v1/spark/{workspace}/stop")).status_code == 404
    assert not airflow.deeds


@pytest.mark.parametrize(
    ("says", "status"),
    [
        (NotAllowed("not allowed", [Fault("dag", "ask your admin")]), 403),
        (InvalidRequest("no Spark server to start or stop"), 409),
        (Conflict("it is paused"), 409),
    ],
)
async def test_what_airflow_refuses_is_told_on_the_page(world, airflow, says, status):
    airflow.says = says
    answer = await press(world, "start")
    assert answer.status_code == status
    assert re.search(r'role="alert">[^<]*(not allowed|no Spark server|paused)', answer.text)
    assert "<h1>Spark</h1>" in answer.text


async def test_the_page_asks_before_it_ends_sessions(client, tell):
    tell(sessions=0)
    assert "Stop it, and end" not in (await client.get("/spark")).text
    tell(sessions=3)
    assert "Stop it, and end 3 sessions" in (await client.get("/spark")).text


async def test_a_program_stops_a_server_that_is_used_only_by_force(bob, airflow, tell):
    tell(sessions=3)
    refused = await bob.post("/api/v1/spark/open/stop")
    assert (refused.status_code, airflow.deeds) == (409, [])
    assert "sessions are open (3)" in refused.json()["detail"]
    done = await bob.post("/api/v1/spark/open/stop?force=true")
    assert done.status_code == 202
    assert done.headers["location"].endswith("/api/v1/spark/open")
    assert (await bob.post("/api/v1/spark/open/start")).status_code == 202
    assert airflow.deeds == [("bob", "open", "stop"), ("bob", "open", "start")]


async def test_a_bucket_that_does_not_answer_is_named_and_holds_nobody_up(world, tell, monkeypatch):
    monkeypatch.setattr(spark, "LIMIT_SECONDS", 0.05)
    goes_on = threading.Event()
    slow = dataclasses.replace(world, bucket=lambda _: goes_on.wait(30) and None)
    async with browser(slow) as bob:
        page = (await bob.get("/spark")).text
        assert "its bucket does not answer now" in page
        (found,) = [each for each in (await bob.get("/api/v1/spark")).json()["workspaces"] if each["trouble"]]
        assert found["workspace"] == "open"
        goes_on.set()


async def test_a_runs_page_tells_of_the_server_that_it_used(client, save, tell):
    used = SparkRecord(remote="sc://10.1.2.3:15002", application_id="spark-0123", version="4.3.0")
    page = save(a_manifest(workspace="open", spark=used))
    assert "its server" not in (await client.get(page)).text
    tell()
    text = (await client.get(page)).text
    assert re.search(r'<a href="/spark">its server</a> answers, 2 sessions', text)
    tell(remote="sc://10.9.9.9:15002")
    assert "its server" not in (await client.get(page)).text


async def test_nobody_is_told_to_start_what_daybook_does_not_start(world):
    standing = Workspaces(workspaces=(a_workspace(name="standing", spark=REMOTE),))
    async with browser(world) as both, browser(dataclasses.replace(world, workspaces=lambda: standing)) as bob:
        assert "Here it can be started" in (await both.get("/spark")).text
        page = (await bob.get("/spark")).text
    assert "Daybook does not start it" in page
    assert "Here it can be started" not in page
