"""The run form: filled in by links, checked whole, posted to start runs."""

import dataclasses
import re
from datetime import UTC, datetime
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from builders import a_workspace
from daybook.catalogue.inputs import resolve
from daybook.contract.errors import Fault, NotAllowed
from daybook.web.app import create_app
from daybook.web.posted import MAX_BYTES, MAX_FIELDS
from daybook.web.world import Asked, Conflict
from daybook.workspaces import Workspaces
from web_notebooks import EVERY_WIDGET, a_catalogue, a_notebook

pytestmark = pytest.mark.anyio

NUMBER = {"number": {"type": "integer", "minimum": 0}}


@pytest.fixture
def orders():
    """What Airflow was asked for."""
    return []


@pytest.fixture
def world(world, orders):
    """A world in which runs start; Bob may run notebooks in `open` only, Alice in `closed` too."""

    async def trigger(request, user, order):
        orders.append(order)
        return Asked("RUN", order.notebook, order.workspace, user.user, datetime.now(UTC), "dag", "dag run", "queued")

    return dataclasses.replace(world, trigger=trigger)


@pytest.fixture
def ask(world):
    """Asks the app with a catalogue of these notebooks; as Bob unless told."""

    async def ask(method, path, *notebooks, user="bob", changes=None, **options):
        catalogue = a_catalogue(*notebooks)
        app = create_app(dataclasses.replace(world, catalogue=lambda: catalogue, **(changes or {})))
        headers = {"Authorization": f"Bearer {user}", **options.pop("headers", {})}
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://daybook.test", headers=headers) as client:
            return await client.request(method, path, **options)

    return ask


def faults_of(answer) -> str:
    found = re.search(r'id="problems".*?</section>', answer.text, re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", found[0])) if found else ""


def value_of(answer, name) -> str:
    found = re.search(rf'name="{re.escape(name)}" id="[^"]*" value="([^"]*)"', answer.text)
    return unescape(found[1])


async def test_a_form_is_filled_in_by_its_link(ask):
    answer = await ask("GET", "/run/nb?number=7", a_notebook(inputs=NUMBER))
    assert answer.status_code == 200
    assert value_of(answer, "number") == "7"
    assert faults_of(answer) == ""


@pytest.mark.parametrize(("query", "is_open"), [("", False), ("?rarely=1", False), ("?rarely=5", True)])
async def test_what_a_link_changes_is_seen_also_among_the_inputs_that_are_hidden_at_first(ask, query, is_open):
    inputs = {"rarely": EVERY_WIDGET["rarely"]}
    answer = await ask("GET", f"/run/nb{query}", a_notebook(inputs=inputs))
    assert ("<details open><summary>More inputs" in answer.text) == is_open


async def test_looking_at_a_form_runs_nothing(ask, orders):
    for headers in ({}, {"Accept": "application/json"}):
        await ask("GET", "/run/nb?number=7&workspace=open", a_notebook(inputs=NUMBER), headers=headers)
    assert orders == []


async def test_a_form_that_is_right_runs_and_leads_to_the_run(ask, orders):
    answer = await ask("POST", "/run/nb", a_notebook(inputs=NUMBER), data={"number": "7", "workspace": "open"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs/open/RUN")
    assert [(each.notebook, each.workspace, dict(each.conf)) for each in orders] == [
        ("nb", "open", {"number": 7, "workspace": "open"})
    ]


async def test_a_form_with_faults_is_shown_again_with_all_of_them_and_everything_kept(ask, orders):
    inputs = {**NUMBER, "day": {"type": "date"}, "note": {"type": "string"}}
    given = {"number": "-1", "day": "31.1.2013", "note": "kept <i>", "workspace": "open", "run_settings.memory": "lots"}
    answer = await ask("POST", "/run/nb", a_notebook(inputs=inputs), data=given)
    assert answer.status_code == 422
    assert orders == []
    assert {name: value_of(answer, name) for name in ("number", "day", "note", "run_settings.memory")} == {
        "number": "-1",
        "day": "31.1.2013",
        "note": "kept <i>",
        "run_settings.memory": "lots",
    }
    told = faults_of(answer)
    assert "at least 0" in told
    assert "a date such as" in told
    assert "an amount of memory" in told
    assert "<i>" not in answer.text


async def test_each_fault_stands_beside_its_field_and_leads_there_from_the_summary(ask):
    answer = await ask("POST", "/run/nb", a_notebook(inputs=NUMBER), data={"number": "x", "workspace": "open"})
    field = re.search(r'<input type="text" name="number"[^>]*>', answer.text)[0]
    assert 'aria-invalid="true"' in field
    described = re.search(r'aria-describedby="([^"]*)"', field)[1].split()
    assert "f-number-fault" in described
    assert all(f'id="{each}"' in answer.text for each in described)
    assert 'href="#f-number"' in answer.text
    assert re.search(r'id="f-number-fault"[^>]*>[^<]*whole number', answer.text)


async def test_a_link_that_leaves_something_out_is_not_at_fault(ask):
    assert faults_of(await ask("GET", "/run/nb", a_notebook(inputs=NUMBER))) == ""


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("nubmer=7", "did you mean 'number'"),
        ("number=7&number=8", "takes one value"),
        ("number=seven", "whole number"),
        ("workspace=closed", "is none that you may run"),
        ("workspace=open&workspace=closed", "several times"),
        ("run_settings.gpu=1", "only in the catalogue"),
        ("run_settings.memory=64Gi&workspace=open", "more than the workspace's maximum"),
        ("csrf=x", "is not an input"),
    ],
)
async def test_what_is_wrong_with_a_link_is_told_and_not_dropped(ask, query, fault):
    places = Workspaces(
        workspaces=(
            a_workspace(name="open", maximum={"memory": "8Gi"}),
            a_workspace(name="closed", members=("alice",), namespace="c", bucket="memory:///c"),
        )
    )
    answer = await ask("GET", f"/run/nb?{query}", a_notebook(inputs=NUMBER), changes={"workspaces": lambda: places})
    assert answer.status_code == 200
    assert fault in faults_of(answer)


async def test_a_notebook_that_may_not_be_run_is_as_one_that_is_not_there(ask):
    secret = a_notebook("secret", workspaces=["closed"])
    for method in ("GET", "POST"):
        one = await ask(method, "/run/secret", secret)
        other = await ask(method, "/run/nothing", secret)
        assert (one.status_code, one.text) == (other.status_code, other.text)
        assert one.status_code == 404
    assert (await ask("GET", "/run/secret", secret, user="alice")).status_code == 200


async def test_of_several_workspaces_none_is_chosen_silently(ask, orders):
    answer = await ask("GET", "/run/nb", a_notebook(), user="alice")
    choice = re.search(r'<select name="workspace".*?</select>', answer.text, re.DOTALL)[0]
    assert "Choose…" in choice
    assert "selected" not in choice
    refused = await ask("POST", "/run/nb", a_notebook(), user="alice", data={"workspace": ""})
    assert "choose one of: open, closed" in faults_of(refused)
    assert orders == []


@pytest.mark.parametrize(
    ("query", "notebook"),
    [
        ("?workspace=closed", {}),
        ("", {"schedule": {"cron": "@daily", "workspace": "closed"}}),
        ("", {"workspaces": ["closed", "open"]}),
    ],
    ids=["by the link", "the schedule's", "the notebook's first"],
)
async def test_a_workspace_is_chosen_already_by_link_or_notebook(ask, query, notebook):
    answer = await ask("GET", f"/run/nb{query}", a_notebook(**notebook), user="alice")
    assert '<option value="closed" selected>' in answer.text


async def test_a_default_workspace_that_is_not_allowed_is_not_chosen(ask):
    answer = await ask("GET", "/run/nb", a_notebook(schedule={"cron": "@daily", "workspace": "closed"}))
    assert re.findall(r'name="workspace" value="(\w+)"', answer.text) == ["open"]


async def test_a_page_that_is_sent_twice_asks_for_the_same_run_and_another_page_for_another(ask, orders):
    notebook = a_notebook(inputs=NUMBER)
    page = posted_by_browser((await ask("GET", "/run/nb?number=7&workspace=open", notebook)).text)
    other = posted_by_browser((await ask("GET", "/run/nb?number=7&workspace=open", notebook)).text)
    for data in (page, page, {**page, "number": ["8"]}, other):
        assert (await ask("POST", "/run/nb", notebook, data=data)).status_code == 303
    first, again, changed, another = (order.idempotency for order in orders)
    assert first
    assert first == again
    assert len({first, changed, another}) == 3


async def test_settings_go_with_the_run_only_where_they_were_chosen(ask, orders):
    data = {
        "workspace": "open",
        "run_settings.memory": "4Gi",
        "run_settings.timeout_seconds": "60",
        "run_settings.cpu": "",
    }
    assert (await ask("POST", "/run/nb", a_notebook(), data=data)).status_code == 303
    assert orders[0].conf["run_settings"] == {"memory": "4Gi", "timeout_seconds": 60}


async def test_images_are_a_choice_where_they_are_named_and_a_field_where_patterns_are(ask):
    named = Workspaces(workspaces=(a_workspace(allowed={"images": ["team/a:1", "team/b:2"]}),))
    open_ended = Workspaces(workspaces=(a_workspace(allowed={"images": ["team/*"]}),))
    choice = await ask("GET", "/run/nb", a_notebook(), changes={"workspaces": lambda: named})
    assert re.search(r'<select name="run_settings.image".*?team/b:2.*?</select>', choice.text, re.DOTALL)
    field = await ask("GET", "/run/nb", a_notebook(), changes={"workspaces": lambda: open_ended})
    assert '<input type="text" name="run_settings.image"' in field.text
    assert "allowed are team/*" in field.text


async def test_the_form_offers_the_kernel_databricks_where_there_is_a_cluster(ask):
    databricks = {"host": "https://x.databricks.com", "cluster_id": "1126-1-a", "token": {"name": "d", "key": "t"}}
    there = Workspaces(workspaces=(a_workspace(name="open", databricks=databricks),))
    offer = "databricks runs it on the cluster 1126-1-a"
    assert offer in (await ask("GET", "/run/nb", a_notebook(), changes={"workspaces": lambda: there})).text
    assert offer not in (await ask("GET", "/run/nb", a_notebook())).text
    refused = await ask(
        "POST", "/run/nb", a_notebook(), data={"workspace": "open", "run_settings.kernel": "databricks"}
    )
    assert "workspace 'open' has no `databricks` section" in faults_of(refused)


def posted_by_browser(html: str) -> dict[str, list[str]]:
    """What a browser without scripts would send of the first form of a page, as it is."""
    form = re.search(r'<form method="post".*?</form>', html, re.DOTALL)[0]
    fields: dict[str, list[str]] = {}
    parts = r"<input[^>]*>|<textarea[^>]*>.*?</textarea>|<select[^>]*>.*?</select>"
    for element in re.findall(parts, form, re.DOTALL):
        name = re.search(r'name="([^"]*)"', element)
        if name is None or (re.search(r'type="(checkbox|radio)"', element) and " checked" not in element):
            continue
        if element.startswith("<textarea"):
            text = re.search(r">\n?(.*)</textarea>", element, re.DOTALL)[1]
        elif element.startswith("<select"):
            chosen = re.findall(r'<option value="([^"]*)" selected', element)
            text = (chosen or re.findall(r'<option value="([^"]*)"', element))[0]
        else:
            text = (re.findall(r'value="([^"]*)"', element) or [""])[0]
        fields.setdefault(unescape(name[1]), []).append(unescape(text).replace("\n", "\r\n"))
    return fields


async def test_a_form_of_every_widget_posted_as_it_is_gives_the_defaults(ask, orders):
    notebook = a_notebook(inputs=EVERY_WIDGET)
    page = await ask("GET", "/run/nb?place=x&workspace=open", notebook)
    answer = await ask("POST", "/run/nb", notebook, data=posted_by_browser(page.text))
    assert (answer.status_code, faults_of(answer)) == (303, "")
    given = dict(orders[0].conf)
    assert given.pop("moment") == "2013-01-31T09:00:00+00:00", "the same moment: a browser's field knows UTC only"
    expected = resolve(notebook.inputs, {"place": "x"})
    expected.pop("moment")
    assert given == {**expected, "workspace": "open"}


VALUES = {
    "place": ["Ünïcode & <b>"],
    "remarks": ["two\nlines"],
    "origin": ["JFK"],
    "carrier": ["UA"],
    "months": ["3"],
    "minimum": ["0"],
    "share": ["0.25"],
    "is_quick": ["false"],
    "maybe": ["true"],
    "day": ["2014-02-28"],
    "moment": ["2014-02-28T10:00:00.5+01:00"],
    "page": ["https://example.org/?a=1&b=2"],
    "urls": ["s3://bucket/a,b", "https://example.org/c"],
    "numbers": ["3", "1"],
    "anything": ['["x", null, {"y": [1]}]'],
    "area": ["170,-10,-170,10.5"],
    "options": ['{"b": {"c": "ü"}}'],
    "token": ["a.key"],
    "rarely": ["-5"],
}


async def test_a_link_of_every_widget_goes_through_the_form_unchanged(ask, orders):
    notebook = a_notebook(inputs=EVERY_WIDGET)
    query = httpx.QueryParams({**VALUES, "workspace": "open"})
    page = await ask("GET", f"/run/nb?{query}", notebook)
    assert faults_of(page) == ""
    answer = await ask("POST", "/run/nb", notebook, data=posted_by_browser(page.text))
    assert (answer.status_code, faults_of(answer)) == (303, "")
    expected = resolve(notebook.inputs, VALUES, "query")
    expected["moment"] = "2014-02-28T09:00:00.500000+00:00"
    assert orders[0].conf == {**expected, "workspace": "open"}


async def test_the_link_that_a_form_shows_fills_it_in_like_that_again(ask):
    notebook = a_notebook(inputs=EVERY_WIDGET)
    query = httpx.QueryParams({**VALUES, "workspace": "open", "run_settings.memory": "4Gi"})
    page = await ask("GET", f"/run/nb?{query}", notebook)
    link = urlsplit(unescape(re.search(r'id="link" readonly value="([^"]*)"', page.text)[1]))
    assert (link.scheme, link.netloc, link.path) == ("http", "daybook.test", "/run/nb")
    again = parse_qs(link.query)
    assert (again.pop("workspace"), again.pop("run_settings.memory")) == (["open"], ["4Gi"])
    assert resolve(notebook.inputs, again, "query") == resolve(notebook.inputs, VALUES, "query")


@pytest.mark.parametrize(
    ("emptied", "value"),
    [
        ({"urls": ["[]", "", ""]}, []),
        ({"months": ["[]"]}, []),
        ({"urls": ["[]", "", "https://b.org"]}, ["https://b.org"]),
    ],
)
async def test_a_list_that_was_emptied_is_empty_and_not_the_default(ask, orders, emptied, value):
    inputs = {name: EVERY_WIDGET[name] for name in emptied}
    answer = await ask("POST", "/run/nb", a_notebook(inputs=inputs), data={**emptied, "workspace": "open"})
    assert answer.status_code == 303
    assert orders[0].conf[next(iter(emptied))] == value


@pytest.mark.parametrize(
    ("sides", "fault", "target"),
    [
        (["1", "", "3", "4"], "south must be a number", "f-area-south"),
        (["1", "2", "x", "4"], "east must be a number", "f-area-east"),
        (["1", "2", "3", "91"], "north must be at most 90", "f-area-north"),
        (["1", "4", "3", "2"], "south below its north", "f-area"),
    ],
)
async def test_the_side_of_a_box_that_is_wrong_is_named(ask, sides, fault, target):
    data = dict(zip((f"area.{side}" for side in ("west", "south", "east", "north")), sides, strict=True))
    inputs = {"area": {"type": "bbox", "title": "Area"}}
    answer = await ask("POST", "/run/nb", a_notebook(inputs=inputs), data={**data, "workspace": "open"})
    assert fault in faults_of(answer)
    assert f'href="#{target}"' in answer.text
    assert re.search(rf'name="area.east" id="f-area-east" value="{sides[2]}"', answer.text)


async def test_the_item_of_a_list_that_is_wrong_is_named(ask):
    data = {"numbers": ["1", "x"], "workspace": "open"}
    answer = await ask("POST", "/run/nb", a_notebook(inputs={"numbers": EVERY_WIDGET["numbers"]}), data=data)
    assert "item 2 must be a whole number" in faults_of(answer)
    assert 'href="#f-numbers-1"' in answer.text
    assert re.search(r'id="f-numbers-1"[^>]*aria-invalid', answer.text)
    assert not re.search(r'id="f-numbers-0"[^>]*aria-invalid', answer.text)


async def test_a_notebook_that_takes_anything_takes_it_as_json(ask, orders):
    notebook = a_notebook(open_inputs=True)
    page = await ask("GET", "/run/nb?a=1&b=%22x%22&workspace=open", notebook)
    answer = await ask("POST", "/run/nb", notebook, data=posted_by_browser(page.text))
    assert answer.status_code == 303
    assert orders[0].conf == {"a": 1, "b": "x", "workspace": "open"}
    refused = await ask("POST", "/run/nb", notebook, data={"parameters": "{nonsense", "workspace": "open"})
    assert refused.status_code == 422
    assert "is not JSON" in faults_of(refused)
    assert "{nonsense" in refused.text


@pytest.mark.parametrize(
    ("error", "status"),
    [(NotAllowed("not allowed", [Fault("workspace", "no more")]), 403), (Conflict("no more"), 409)],
)
async def test_what_airflow_refuses_is_told_in_the_form_with_everything_kept(ask, error, status):
    async def refuse(*_):
        raise error

    data = {"number": "7", "workspace": "open"}
    answer = await ask("POST", "/run/nb", a_notebook(inputs=NUMBER), data=data, changes={"trigger": refuse})
    assert answer.status_code == status
    assert "no more" in faults_of(answer)
    assert value_of(answer, "number") == "7"


async def test_a_program_is_told_what_a_link_means_and_how_to_run_it(ask, orders):
    query = "number=7&workspace=open&run_settings.memory=4Gi"
    json = {"Accept": "application/json"}
    answer = await ask("GET", f"/run/nb?{query}", a_notebook(inputs=NUMBER), headers=json)
    body = {"workspace": "open", "parameters": {"number": 7}, "settings": {"memory": "4Gi"}}
    assert answer.json()["request"] == {"notebook": "nb", **body}
    assert answer.json()["run"]["method"] == "POST"
    assert answer.json()["run"]["url"].endswith("/api/v1/notebooks/nb/runs")
    assert answer.json()["run"]["body"] == body
    assert orders == []


async def test_a_program_is_told_everything_that_is_wrong_with_a_link(ask):
    json = {"Accept": "application/json"}
    answer = await ask("GET", "/run/nb?nubmer=7", a_notebook(inputs=NUMBER), headers=json)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert {each["where"] for each in answer.json()["faults"]} == {"number", "nubmer"}
    assert answer.json()["instance"] == "/run/nb"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"number=" + b"1" * MAX_BYTES, 413),
        (b"&".join([b"a=1"] * (MAX_FIELDS + 1)), 400),
        (b"number=%ff", 400),
        ("number=ü".encode(), 400),
    ],
    ids=["large", "many", "no UTF-8", "no ASCII"],
)
async def test_bodies_that_no_form_sends_are_refused(ask, orders, body, status):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await ask("POST", "/run/nb", a_notebook(inputs=NUMBER), content=body, headers=headers)
    assert answer.status_code == status
    assert orders == []


async def test_only_forms_are_taken(ask, orders):
    answer = await ask("POST", "/run/nb", a_notebook(inputs=NUMBER), json={"number": 7})
    assert answer.status_code == 415
    assert orders == []


async def test_words_of_a_notebook_are_words_and_no_html(ask):
    hostile = "<script>alert(1)</script>"
    inputs = {"a": {"type": "string", "title": hostile, "description": hostile, "default": hostile}}
    inputs["b"] = {"type": "enum", "choices": [{"value": hostile, "label": hostile}]}
    notebook = a_notebook(inputs=inputs, title=hostile, description=hostile, markdown=hostile, tags=[hostile])
    answer = await ask("GET", f"/run/nb?a={hostile}&{hostile}={hostile}", notebook)
    assert hostile not in answer.text
    assert "&lt;script&gt;" in answer.text


@pytest.mark.parametrize("text", ["5.", "+5", "0x10", " 5", "1_000", "five"])
async def test_a_number_that_a_browser_would_not_show_is_kept_to_be_mended(ask, text):
    answer = await ask("GET", f"/run/nb?{httpx.QueryParams({'number': text})}", a_notebook(inputs=NUMBER))
    assert re.search(r'<input type="text" name="number"', answer.text)
    assert value_of(answer, "number") == text


async def test_a_text_of_several_lines_keeps_them(ask, orders):
    notebook = a_notebook(inputs={"note": {"type": "string"}})
    page = await ask("GET", "/run/nb?note=%0Aone%0Atwo&workspace=open", notebook)
    await ask("POST", "/run/nb", notebook, data=posted_by_browser(page.text))
    assert orders[0].conf["note"] == "\none\ntwo"


async def test_a_query_that_is_no_text_is_refused(ask):
    answer = await ask("GET", "/run/nb?number=%ff", a_notebook(inputs=NUMBER))
    assert answer.status_code == 400
