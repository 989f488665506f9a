"""Catalogue and run form in a real browser: by keyboard alone, growing, checking, copying; and without scripts."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect
from starlette.requests import Request

from builders import a_workspace
from daybook.catalogue.inputs import resolve
from daybook.web.app import create_app
from daybook.web.history import RunRow
from daybook.web.world import Asked, NotLoggedIn
from daybook.workspaces import Identity, Workspaces
from web_notebooks import EVERY_WIDGET, a_catalogue, a_notebook

LONG = "a_very_long_name_without_any_place_to_break_" * 2
NOTEBOOKS = (
    a_notebook("every", EVERY_WIDGET, title="Every widget", description="Has all of them.", tags=["all"]),
    a_notebook("small", {"number": {"type": "integer"}, "day": {"type": "date", "advanced": True, "required": True}}),
    a_notebook("urls", {"urls": {"type": "url_list", "required": False}}),
    a_notebook("box", {"area": {"type": "bbox", "title": "Area"}, "options": {"type": "object", "required": False}}),
    a_notebook("open", open_inputs=True),
    a_notebook("uberfluge", title="Überflüge"),
    a_notebook("named", {name: {"type": "string", "default": ""} for name in ("dataset", "elements", "method", "id")}),
    a_notebook("long", {"a" * 64: {"type": "string", "title": LONG, "description": LONG}}, title=LONG, tags=[LONG]),
)
PLACES = Workspaces(
    workspaces=(
        a_workspace(name="open", maximum={"memory": "8Gi"}),
        a_workspace(name="closed", members=("alice",), namespace="c", bucket="memory:///c", maximum={"memory": "2Gi"}),
    )
)


class NoRuns:
    """A history without runs."""

    def last_runs(self, *_) -> dict[str, RunRow]:
        return {}

    def knows_all(self, *_) -> bool:
        return True


@pytest.fixture
def orders() -> list:
    return []


@pytest.fixture
def site(world, our_server, orders) -> str:
    """Where the pages are, for people whom their browser's cookie names."""

    async def user(request: Request) -> Identity:
        if "_token" not in request.cookies:
            raise NotLoggedIn("no cookie")
        return Identity(request.cookies["_token"])

    async def trigger(_, user, order):
        orders.append(order)
        return Asked("RUN", order.notebook, order.workspace, user.user, datetime.now(UTC), "dag", "run", "queued")

    catalogue = a_catalogue(*NOTEBOOKS)
    changed = dataclasses.replace(
        world, user=user, trigger=trigger, catalogue=lambda: catalogue, workspaces=lambda: PLACES
    )
    app = create_app(changed)
    app.state.site = dataclasses.replace(app.state.site, history=NoRuns())
    url, switch = our_server
    switch.app = app
    return url


@pytest.fixture
def visit(browser, site) -> Iterator[Callable[..., Page]]:
    """A page in a window of somebody's; what a browser complains about is a failure."""
    contexts, complaints = [], []

    def visit(path: str, user: str = "bob", **options) -> Page:
        context = browser.new_context(base_url=site, **options)
        context.add_cookies([{"name": "_token", "value": user, "url": site}])
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: message.type == "warning" and complaints.append(message.text))
        page.goto(path)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until the focus is there."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"no way to {selector} by keyboard")


def test_from_the_catalogue_to_a_run_by_keyboard_alone(visit, orders, site):
    page = visit("/")
    tab_to(page, "#q")
    page.keyboard.type("small")
    expect(page.locator(".notebooks h2")).to_have_count(1)
    tab_to(page, ".notebooks h2 a")
    page.keyboard.press("Enter")
    page.wait_for_url("**/run/small")
    tab_to(page, "[name=number]")
    page.keyboard.type("7")
    tab_to(page, "[name=day]")
    page.keyboard.type("01312013")
    tab_to(page, "button[type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/open/RUN")
    assert orders[0].conf == {"number": 7, "day": "2013-01-31", "workspace": "open"}


def test_faults_take_the_focus_and_lead_to_their_fields(visit, orders):
    page = visit("/run/small?run_settings.memory=64Gi")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#problems")).to_be_focused()
    assert "3 things have to be mended" in page.locator("#problems").inner_text()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[name=number]")).to_be_focused()
    expect(page.locator("[name=number]")).to_have_attribute("aria-invalid", "true")
    page.locator("#problems a", has_text="memory").click()
    expect(page.locator("[name='run_settings.memory']")).to_be_focused()
    assert orders == []


def test_a_link_to_a_field_in_a_closed_part_opens_it(visit):
    page = visit("/run/every?rarely=x")
    page.locator("details", has=page.locator("[name=rarely]")).evaluate("part => { part.open = false; }")
    page.locator("#problems a").click()
    expect(page.locator("[name=rarely]")).to_be_focused()


def test_a_list_grows_with_what_is_typed(visit, orders):
    page = visit("/run/urls")
    lines = page.locator("[name=urls]")
    expect(lines).to_have_count(1)
    lines.first.focus()
    for number in range(4):
        page.keyboard.type(f"https://example.org/{number}")
        expect(lines).to_have_count(number + 2)
        page.keyboard.press("Enter")
    expect(lines).to_have_count(5)
    page.keyboard.press("Backspace")
    expect(lines.nth(3)).to_be_focused()
    assert len({line.get_attribute("aria-label") for line in lines.all()}) == 5
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/open/RUN")
    assert orders[0].conf["urls"] == [f"https://example.org/{number}" for number in range(4)]


def test_lines_that_are_pasted_become_a_field_each(visit):
    page = visit("/run/urls")
    page.locator("[name=urls]").first.focus()
    page.evaluate(
        """() => { const data = new DataTransfer(); data.setData('text/plain', 's3://a/1\\n\\n s3://a/2\\r\\ns3://a/3\\n');
        document.activeElement.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true,
        cancelable: true})); }"""
    )
    assert [line.input_value() for line in page.locator("[name=urls]").all()] == [
        "s3://a/1",
        "s3://a/2",
        "s3://a/3",
        "",
    ]


@pytest.mark.parametrize(
    ("typed", "fault", "wrong"),
    [
        (("1", "2", "3", "4"), "", ()),
        (("1x",), "west must be a number", ("west",)),
        (("1", "-91"), "south must be between", ("south",)),
        (("1", "4", "3", "2"), "south must be below north", ("south", "north")),
        (("5", "1", "5", "2"), "west and east must differ", ("west", "east")),
        (("170", "-1", "-170", "1"), "", ()),
    ],
)
def test_a_box_is_checked_while_it_is_typed(visit, typed, fault, wrong):
    page = visit("/run/box")
    for side, text in zip(("west", "south", "east", "north"), typed, strict=False):
        page.locator(f"[name='area.{side}']").press_sequentially(text)
    told = page.locator("#f-area-fault")
    assert fault in told.inner_text() if fault else told.inner_text() == ""
    marked = page.locator(".sides [aria-invalid=true]").all()
    assert {each.get_attribute("name") for each in marked} == {f"area.{side}" for side in wrong}


def test_a_box_that_is_left_half_filled_says_what_is_missing(visit):
    page = visit("/run/box")
    page.locator("[name='area.west']").press_sequentially("1")
    page.locator("[name=options]").focus()
    assert page.locator("#f-area-fault").inner_text() == "south, east, north must be filled in too"


def test_json_is_checked_while_it_is_typed(visit):
    page = visit("/run/box")
    told = page.locator("#f-options-fault")
    for text, fault in (("{", "is not JSON"), ("[1]", "must be an object"), ('{"a": 1}', "")):
        page.locator("[name=options]").fill(text)
        assert fault in told.inner_text() if fault else told.inner_text() == ""


HALF = [("day", "31"), ("day", "02312013"), ("moment", "0131"), ("share", "1e")]


@pytest.mark.parametrize(("name", "typed"), HALF)
def test_what_a_browser_cannot_read_is_told_and_not_taken_for_empty(visit, orders, name, typed):
    page = visit("/run/every?place=x")
    field = page.locator(f"[name={name}]")
    field.focus()
    field.fill("")
    page.keyboard.type(typed)
    assert field.input_value() == "", "what is typed is nothing to the browser"
    page.get_by_role("button", name="Run").click()
    expect(page.locator(f"#f-{name}-fault")).to_contain_text("yet")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("0.25" if name == "share" else "2013-02-28" if name == "day" else "2013-02-28T10:00:00")
    expect(page.locator(f"#f-{name}-fault")).to_be_empty()
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/open/RUN")
    assert [str(order.conf[name])[:10] for order in orders] == ["0.25" if name == "share" else "2013-02-28"]


def test_what_a_browser_cannot_read_is_shown_also_in_a_closed_part(visit, orders):
    page = visit("/run/every?place=x")
    part = page.locator("details", has=page.locator("[name=rarely]"))
    part.evaluate("part => { part.open = true; }")
    page.locator("[name=rarely]").fill("")
    page.locator("[name=rarely]").focus()
    page.keyboard.type("1e")
    part.evaluate("part => { part.open = false; }")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("[name=rarely]")).to_be_focused()
    assert orders == []


def link_of(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.locator("#link").input_value()).query)


def test_the_link_is_that_of_the_fields_and_can_be_copied(visit, site):
    page = visit("/run/small", permissions=["clipboard-read", "clipboard-write"])
    page.locator("[name=number]").fill("7")
    assert link_of(page) == {"number": ["7"], "workspace": ["open"]}
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#link").input_value() == f"{site}/run/small?number=7&workspace=open"


def test_inputs_may_be_called_as_parts_of_a_form_are(visit, orders, site):
    page = visit("/run/named")
    page.locator("[name=dataset]").fill("sentinel-2")
    page.locator("[name=elements]").fill("e")
    link = page.locator("#link").input_value()
    assert link == f"{site}/run/named?dataset=sentinel-2&elements=e&workspace=open"
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/open/RUN")
    assert (orders[0].conf["dataset"], orders[0].conf["elements"]) == ("sentinel-2", "e")


VALUES = {
    "place": "Ünï & <b>",
    "remarks": "two\nlines",
    "months": ["3"],
    "is_quick": False,
    "maybe": True,
    "urls": ["s3://bucket/a,b", "https://example.org/c"],
    "numbers": [3, 1],
    "anything": ["x", None],
    "area": [170, -10, -170, 10.5],
    "options": {"b": {"c": "ü"}},
}


def test_the_scripts_link_means_what_the_form_would_run(visit, orders):
    """Of every widget, and also where lists were emptied."""
    notebook = NOTEBOOKS[0]
    page = visit("/run/every?place=x")
    page.locator("[name=place]").fill(VALUES["place"])
    page.locator("[name=remarks]").fill(VALUES["remarks"])
    for month, ticked in (("1", False), ("2", False), ("3", True)):
        page.locator(f"[name=months][value='{month}']").set_checked(ticked)
    page.locator("[type=checkbox][name=is_quick]").uncheck()
    page.locator("[name=maybe]").select_option("Yes")
    page.locator("[name=urls]").nth(1).fill(VALUES["urls"][0])
    page.locator("[name=urls]").nth(2).fill(VALUES["urls"][1])
    for number in VALUES["numbers"]:
        page.locator("[name=numbers]").last.fill(str(number))
    page.locator("[name=anything]").fill('["x", null]')
    for side, value in zip(("west", "south", "east", "north"), VALUES["area"], strict=True):
        page.locator(f"[name='area.{side}']").fill(str(value))
    page.locator("[name=options]").fill('{"b": {"c": "ü"}}')
    query = link_of(page)
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/open/RUN")
    ran = dict(orders[0].conf)
    assert query.pop("workspace") == [ran.pop("workspace")]
    assert resolve(notebook.inputs, query, "query") == ran


@pytest.mark.parametrize("emptied", [False, True])
def test_the_link_of_an_untouched_form_means_its_defaults(visit, orders, emptied):
    page = visit("/run/every?place=x")
    if emptied:
        for line in page.locator("[name=urls]:visible").all():
            line.fill("")
        for month in page.locator("[name=months][type=checkbox]").all():
            month.uncheck()
    query = link_of(page)
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/open/RUN")
    ran = dict(orders[0].conf)
    assert (ran["urls"], ran["is_quick"]) == ([] if emptied else EVERY_WIDGET["urls"]["default"], True)
    assert query.pop("workspace") == [ran.pop("workspace")]
    assert resolve(NOTEBOOKS[0].inputs, query, "query") == ran


def test_what_holds_in_the_chosen_workspace_is_told(visit):
    page = visit("/run/small", user="alice")
    page.locator("summary", has_text="Advanced settings").click()
    hints = page.locator("[id='f-run_settings.memory-hint'] p:visible")
    assert [each.split(":")[0] for each in hints.all_inner_texts()] == ["open", "closed"]
    page.locator("[name=workspace]").select_option("closed")
    assert hints.all_inner_texts() == ["closed: by default 2Gi, at most 2Gi."]


def test_a_slider_and_its_number_are_one(visit):
    page = visit("/run/every")
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    assert page.locator("[name=share]").input_value() == "1"
    page.locator("[name=share]").fill("0.25")
    assert slider.input_value() == "0.25"


def test_without_scripts_all_of_it_works_too(visit, orders):
    page = visit("/?q=uberfluge", java_script_enabled=False)
    expect(page.locator(".notebooks h2")).to_have_text("Überflüge")
    page.locator("#q").fill("widget")
    page.get_by_role("button", name="Find").click()
    page.locator(".notebooks h2 a").click()
    page.locator("[name=place]").fill("here")
    page.locator("[name=numbers]").nth(1).fill("4")
    page.locator("[name=minimum]").fill("101")
    page.get_by_role("button", name="Run").click()
    assert "at most 100" in page.locator("#problems").inner_text()
    page.locator("#problems a").click()
    page.locator("[name=minimum]").fill("5")
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/runs/open/RUN")
    assert (orders[0].conf["place"], orders[0].conf["numbers"], orders[0].conf["minimum"]) == ("here", [4], 5)


def test_the_catalogue_is_searched_while_somebody_types(visit):
    page = visit("/")
    page.locator("#q").press_sequentially("ÜBER")
    expect(page.locator(".notebooks h2")).to_have_text(["Überflüge"])
    assert "q=" in page.url
    page.locator("#q").fill("nothing of that name")
    expect(page.locator("#found")).to_contain_text("No notebook")
    expect(page.locator("#q")).to_be_focused()


@pytest.mark.parametrize("path", ["/", "/run/every", "/run/long?x=1", "/run/box?area=1,2", f"/?q={LONG}"])
def test_nothing_overflows_at_any_width(visit, path):
    page = visit(path, user="alice")
    for summary in page.locator("summary").all():
        summary.click()
    for width in (320, 390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert (width, page.evaluate("document.documentElement.scrollWidth")) == (width, width)


def test_a_page_of_somebody_elses_cannot_start_a_run(visit, site, orders):
    page = visit("/run/urls")
    attack = f"""<form action='{site}/run/urls' method=post><input name=workspace value=open></form>"""
    page.goto("data:text/html," + attack)
    page.evaluate("document.forms[0].submit()")
    page.wait_for_url("**/run/urls")
    assert orders == []
