"""The buttons of a run's page: who may press them, what they do, and that no other site can press them for somebody."""

import dataclasses
import json
import re
from datetime import UTC, datetime
from html import unescape

import httpx
import pytest

from builders import ASKED_AT, RUN_ID, a_manifest, a_notebook_json, a_run_id
from daybook.catalogue import load_catalogue
from daybook.contract.errors import Fault, InvalidRequest, NotAllowed
from daybook.contract.manifest import State
from daybook.contract.request import AirflowCoordinates
from daybook.storage import Pin, pin_of, record_of
from daybook.web.app import create_app
from daybook.web.runs import NO_SUCH_RUN
from daybook.web.tokens.csrf import Csrf
from daybook.web.world import Asked, Conflict
from daybook.workspaces import Identity
from web_api import ports_of
from web_notebooks import a_catalogue, a_notebook

pytestmark = pytest.mark.anyio

KEY = b"k" * 32
PAGE = f"/runs/open/{RUN_ID}"
OF_THEIR_OWN = AirflowCoordinates(dag_id="nightly", run_id="manual__1", task_id="delays")
DEEDS = ["cancel", "again", "pin", "unpin"]
HOME = {"Sec-Fetch-Site": "same-origin", "Origin": "http://daybook.test"}
NEW = a_run_id("flights_delays", ASKED_AT, "again")


@dataclasses.dataclass
class Airflow:
    """What was asked of it; it says what it is told to."""

    orders: list = dataclasses.field(default_factory=list)
    ended: list = dataclasses.field(default_factory=list)
    says: Exception | None = None

    async def trigger(self, request, user, order):
        if self.says:
            raise self.says
        self.orders.append((user.user, order))
        return Asked(NEW, order.notebook, order.workspace, user.user, ASKED_AT, order.notebook, "manual__2", "queued")

    async def cancel(self, request, user, asked):
        if self.says:
            raise self.says
        self.ended.append((user.user, asked.dag_id, asked.dag_run_id))


@pytest.fixture
def airflow():
    return Airflow()


@pytest.fixture
def world(world, airflow, tmp_path):
    folder = tmp_path / "notebooks" / "flights_delays"
    folder.mkdir(parents=True)
    (folder / "notebook.ipynb").write_text(
        a_notebook_json(parameters="origin: str = 'JFK'\nminimum_delay: int = 15\nday: str | None = None")
    )
    catalogue = load_catalogue([tmp_path / "notebooks"])
    assert not catalogue.broken
    return dataclasses.replace(
        world, key=KEY, catalogue=lambda: catalogue, trigger=airflow.trigger, cancel=airflow.cancel
    )


@pytest.fixture
async def client(world, anyio_backend):
    """Bob's browser: what vouches for a post is his cookie, which any site can have it send."""
    transport = httpx.ASGITransport(create_app(world), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://daybook.test", cookies={"_token": "bob"}) as bob:
        yield bob


def token(name="bob", key=KEY):
    return Csrf(key).token(Identity(name))


async def press(client, deed, page=PAGE, csrf=None, headers=HOME):
    data = {"csrf": token() if csrf is None else csrf}
    return await client.post(f"{page}/{deed}", data=data, headers=headers)


def running(**changes):
    where = AirflowCoordinates(dag_id="flights_delays", run_id="manual__1", task_id="run")
    given = {"state": State.RUNNING, "sealed": False, "sealed_by": None, "exit_code": None, "airflow": where}
    return a_manifest(**{**given, **changes})


async def test_cancel_has_airflow_end_the_run_and_leads_back_to_it(client, save, airflow):
    save(running())
    assert "Cancel this run" in (await client.get(PAGE)).text
    answer = await press(client, "cancel")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert airflow.ended == [("bob", "flights_delays", "manual__1")]


async def test_a_run_without_a_record_can_be_cancelled_too(world, airflow):
    asked = Asked(RUN_ID, "flights_delays", "open", "bob", ASKED_AT, "run_notebook", "manual__7", "queued")
    app = create_app(dataclasses.replace(world, **ports_of(lambda _: [asked])))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://daybook.test", headers={"Authorization": "Bearer bob"}
    ) as bob:
        page = await bob.get(PAGE)
        assert page.status_code == 200
        assert "Airflow has taken this run" in page.text
        assert "<h1>Flights delays</h1>" in page.text
        assert f'data-events="/api/v1{PAGE}/events"' in page.text
        assert (await press(bob, "cancel")).status_code == 303
    assert airflow.ended == [("bob", "run_notebook", "manual__7")]


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (a_manifest(), "it is over: succeeded"),
        (running(airflow=None), "it was not started by Airflow"),
        (running(airflow=OF_THEIR_OWN), "it is a task of the DAG nightly, which may do other work too"),
    ],
)
async def test_a_run_that_cannot_be_cancelled_tells_why_on_its_page(client, save, airflow, manifest, why):
    save(manifest)
    assert "Cancel this run" not in (await client.get(PAGE)).text
    answer = await press(client, "cancel")
    assert (answer.status_code, airflow.ended) == (409, [])
    assert f"The run cannot be cancelled: {why}" in answer.text
    assert "Delays of flights" in answer.text


async def test_again_asks_for_the_same_values_in_the_same_workspace_and_leads_to_the_new_run(client, save, airflow):
    save(a_manifest(parameters={"origin": "SFO", "minimum_delay": 7}))
    answer = await press(client, "again")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/open/{NEW}")
    ((user, order),) = airflow.orders
    assert (user, order.notebook, order.workspace) == ("bob", "flights_delays", "open")
    assert order.conf == {"origin": "SFO", "minimum_delay": 7, "day": None, "workspace": "open"}


async def test_a_button_that_is_pressed_twice_asks_for_the_same_run_and_one_of_another_page_for_another(
    client, save, airflow
):
    save(a_manifest())
    pages = [(await client.get(PAGE)).text for _ in range(2)]
    once = [re.search(r'name="form.once" value="(\w+)"', page)[1] for page in pages]
    for each in (once[0], once[0], once[1]):
        data = {"csrf": token(), "form.once": each}
        assert (await client.post(f"{PAGE}/again", data=data, headers=HOME)).status_code == 303
    first, second, other = (order.idempotency for _, order in airflow.orders)
    assert first == second != other


async def test_again_chooses_the_settings_that_were_chosen(client, save, airflow):
    save(a_manifest(settings={"memory": "1Gi", "timeout_seconds": 60}))
    page = (await client.get(PAGE)).text
    assert "run_settings.memory=1Gi&amp;run_settings.timeout_seconds=60" in page
    assert "<dt>Chosen</dt><dd>memory 1Gi, timeout seconds 60</dd>" in page
    await press(client, "again")
    assert airflow.orders[0][1].conf["run_settings"] == {"memory": "1Gi", "timeout_seconds": 60}


@pytest.mark.parametrize(
    ("changes", "status", "why"),
    [
        ({"parameters": {"origin": "[redacted]"}}, 422, "held a secret, which the record does not keep"),
        ({"parameters": {"gone": 1}}, 422, "gone"),
    ],
)
async def test_what_cannot_run_again_tells_why_on_its_page(client, save, airflow, changes, status, why):
    save(a_manifest(**changes))
    answer = await press(client, "again")
    assert (answer.status_code, airflow.orders) == (status, [])
    assert why in answer.text
    assert "Delays of flights" in answer.text


@pytest.mark.parametrize("deed", ["cancel", "again"])
@pytest.mark.parametrize(
    ("error", "status"),
    [(NotAllowed("not allowed", [Fault("user", "<b>may</b> not")]), 403), (Conflict("Airflow says <b>no</b>"), 409)],
)
async def test_what_airflow_refuses_is_told_as_text(client, save, airflow, deed, error, status):
    save(running(parameters={}) if deed == "cancel" else a_manifest())
    airflow.says = error
    answer = await press(client, deed)
    assert answer.status_code == status
    assert "&lt;b&gt;" in answer.text
    assert "<b>" not in answer.text


async def test_a_run_is_pinned_by_whoever_asks_and_unpinned(client, bucket, save):
    save(a_manifest())
    assert "pinned" not in (await client.get(PAGE)).text
    assert (await press(client, "pin")).headers["location"] == PAGE
    pin = pin_of(record_of(bucket, RUN_ID))
    assert pin.by == "bob"
    assert datetime.fromisoformat(pin.at).tzinfo == UTC
    assert "pinned by bob" in (await client.get(PAGE)).text
    assert (await press(client, "unpin")).headers["location"] == PAGE
    assert pin_of(record_of(bucket, RUN_ID)) is None


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(
    ("csrf", "headers"),
    [
        ("", HOME),
        ("é" * 64, HOME),
        (token("alice"), HOME),
        (token("bob", b"another key"), HOME),
        (None, {**HOME, "Sec-Fetch-Site": "cross-site"}),
        (None, {**HOME, "Sec-Fetch-Site": "same-site"}),
        (None, {**HOME, "Sec-Fetch-Site": "none"}),
        (None, {"Origin": "http://evil.test"}),
        (None, {"Origin": "null"}),
        (None, {"Origin": "http://daybook.test.evil.test"}),
    ],
)
async def test_a_post_that_no_form_of_ours_has_made_does_nothing(client, bucket, save, airflow, deed, csrf, headers):
    save(running() if deed == "cancel" else a_manifest())
    record_of(bucket, RUN_ID).store.write("pin.json", Pin(by="alice").model_dump_json().encode())
    answer = await press(client, deed, csrf=csrf, headers=headers)
    assert answer.status_code == 403
    assert (airflow.orders, airflow.ended) == ([], [])
    assert pin_of(record_of(bucket, RUN_ID)).by == "alice"


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("page", [f"/runs/closed/{RUN_ID}", f"/runs/open/{a_run_id('none')}", "/runs/open/nonsense"])
async def test_strangers_get_the_one_answer(client, save, airflow, deed, page):
    save(running())
    answer = await press(client, deed, page)
    assert (answer.status_code, answer.text) == (404, NO_SUCH_RUN + "\n")
    assert (airflow.orders, airflow.ended) == ([], [])


@pytest.mark.parametrize("deed", DEEDS)
async def test_looking_changes_nothing(client, save, airflow, deed):
    save(running())
    assert (await client.get(f"{PAGE}/{deed}")).status_code in (404, 405)
    assert (airflow.orders, airflow.ended) == ([], [])


async def test_the_forms_of_the_page_are_good_ones(client, save, airflow):
    save(running())
    page = (await client.get(PAGE)).text
    action, csrf = re.search(
        r'<form method="post" action="([^"]+)"><input type="hidden" name="csrf" value="([^"]+)"', page
    ).groups()
    assert action == f"{PAGE}/cancel"
    assert (await client.post(action, data={"csrf": csrf}, headers=HOME)).status_code == 303


async def test_run_again_with_changes_leads_to_the_form_with_the_values_that_the_record_has(client, save):
    save(a_manifest(parameters={"origin": "a&b=c", "minimum_delay": 7, "day": "[redacted]", "gone": 1}))
    page = (await client.get(PAGE)).text
    link = re.search(r'href="(/run/[^"]+)"', page).group(1).replace("&amp;", "&")
    assert httpx.URL(link).path == "/run/flights_delays"
    assert dict(httpx.URL(link).params) == {"origin": "a&b=c", "minimum_delay": "7", "workspace": "open"}
    assert "/again" not in page


async def test_run_again_with_changes_keeps_the_values_of_a_notebook_that_takes_any(world, save):
    catalogue = a_catalogue(a_notebook("flights_delays", open_inputs=True))
    save(a_manifest(parameters={"origin": "a&b=c", "days": [1, 2], "lost": "[redacted]"}))
    app = create_app(dataclasses.replace(world, catalogue=lambda: catalogue))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://daybook.test", headers={"Authorization": "Bearer bob"}
    ) as bob:
        page = (await bob.get(PAGE)).text
        form = (await bob.get(unescape(re.search(r'href="(/run/[^"]+)"', page)[1]))).text
    given = json.loads(unescape(re.search(r'<textarea name="parameters"[^>]*>([^<]*)<', form)[1]))
    assert given == {"origin": "a&b=c", "days": [1, 2]}


async def test_a_notebook_that_the_catalogue_has_no_more_cannot_be_run_again(client, save):
    save(a_manifest(notebook=a_manifest().notebook.model_copy(update={"id": "gone"})))
    page = (await client.get(PAGE)).text
    assert "/again" not in page
    assert 'href="/run/' not in page


async def test_a_run_that_airflow_does_not_know_any_more_is_told_on_its_page(client, save, airflow):
    save(running())
    airflow.says = InvalidRequest("Airflow has no such run any more")
    answer = await press(client, "cancel")
    assert answer.status_code == 409
    assert "Airflow has no such run any more" in answer.text


async def test_a_forged_run_of_a_day_that_there_is_not_cannot_be_cancelled(client, bucket):
    run_id = f"20261399T010203Z{RUN_ID[16:]}"
    record_of(bucket, run_id).write(running(run_id=run_id))
    assert (await press(client, "cancel", f"/runs/open/{run_id}")).status_code == 404


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, [[1]], {"a": 1}])
async def test_values_that_fit_the_form_no_more_leave_the_run_its_page(client, bucket, save, value):
    save(a_manifest())
    text = a_manifest(parameters={"minimum_delay": value}).model_dump_json().encode()
    record_of(bucket, RUN_ID).store.write("manifest.json", text)
    assert (await client.get(PAGE)).status_code == 200
    assert (await press(client, "again")).status_code == 422
